//! An object store of our own for one remote repository: it holds only what was asked for.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io::{self, BufRead, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

use super::command::{Git, Input, Ran, failure};
use super::local::parse_entry;
use super::{pack, push};
use crate::domain::graph::{Graph, Node};
use crate::domain::id::{BlobId, BranchName, CommitId, ObjectId, TreeId};
use crate::domain::listing::{Entry, EntryMode, Leaves, path_of};
use crate::domain::object::{self, Kind, Object, Tree};
use crate::domain::proposal::ProposalBranch;
use crate::domain::url::RepoUrl;
use crate::port::{Advertised, CommitText, PortError, Progress, PushAnswer, Repository};

// What git says of a difference to an object that is not here, as it may or may not ask for that one by itself.
const BASE_IS_ELSEWHERE: [&str; 2] = ["from promisor remote", "unresolved delta"];

/// The store.
pub(super) struct Store {
    url: RepoUrl,
    git: Git,
    // No fetch behind our back: what is absent is an error, unless a merge needs contents. A fetch from a cut-off
    // repository would else look for the missing parents by fetching, without end.
    offline: Git,
    // The same objects in a repository that never heard of a server: older git, told not to fetch, dies of an object that is
    // absent instead of naming it.
    plain: Git,
    progress: Arc<dyn Progress>,
    // More may be here than was asked for: the server ignores filters, or sent what changed along with new commits.
    local_first: AtomicBool,
    known: Mutex<HashSet<ObjectId>>,
    // Trees that are here with everything below them.
    deep: Mutex<HashSet<TreeId>>,
    // Trees that were made here.
    written: Mutex<HashSet<TreeId>>,
    trees: Mutex<HashMap<TreeId, Tree>>,
    listed: Mutex<HashMap<TreeId, Leaves>>,
    // Removed with everything in it when the store goes.
    _dir: TempDir,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    #[allow(clippy::disallowed_methods, reason = "a store is a temporary folder of our own")]
    pub(super) fn create(
        url: RepoUrl,
        variables: Vec<(OsString, OsString)>,
        interrupted: Arc<AtomicBool>,
        progress: Arc<dyn Progress>,
    ) -> Result<Self, PortError> {
        let doing = "make a temporary object store";
        let dir = tempfile::Builder::new()
            .prefix("passgate-")
            .tempdir()
            .map_err(|source| PortError::Io { doing: doing.to_owned(), source })?;
        let start = |variables| {
            let (interrupted, progress) = (Arc::clone(&interrupted), Arc::clone(&progress));
            Git::new(dir.path().to_owned(), variables, interrupted, progress)
        };
        let git = start(variables.clone());
        let mut quiet = variables;
        quiet.push(("GIT_NO_LAZY_FETCH".into(), "1".into()));
        let offline = start(quiet.clone());
        let folder = dir.path().join("plain");
        quiet.push(("GIT_DIR".into(), folder.clone().into()));
        quiet.push(("GIT_OBJECT_DIRECTORY".into(), dir.path().join("objects").into()));
        let plain = start(quiet);
        git.text(doing, &["init", "--quiet", "--bare", "--template=", "--object-format=sha1", "."])?;
        let config = format!(
            "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tpartialClone = origin\n\
             [remote \"origin\"]\n\turl = \"{}\"\n\tpromisor = true\n\tpartialclonefilter = blob:none\n",
            url.transport().replace('\\', "\\\\").replace('"', "\\\"")
        );
        std::fs::write(dir.path().join("config"), config)
            .and_then(|()| std::fs::create_dir_all(folder.join("refs")))
            .and_then(|()| std::fs::write(folder.join("HEAD"), "ref: refs/heads/none\n"))
            .map_err(|source| PortError::Io { doing: doing.to_owned(), source })?;
        Ok(Self {
            url,
            git,
            offline,
            plain,
            progress,
            local_first: AtomicBool::new(false),
            known: Mutex::default(),
            deep: Mutex::default(),
            written: Mutex::default(),
            trees: Mutex::default(),
            listed: Mutex::default(),
            _dir: dir,
        })
    }

    // Fetches objects by id. `filter` keeps away what was not asked for.
    fn fetch(&self, filter: &str, wanted: &[ObjectId], is_history: bool) -> Result<(), PortError> {
        let doing = format!("fetch from {}", self.url);
        let lines: String = wanted
            .iter()
            .map(|id| if is_history { format!("{id}:refs/passgate/{id}\n") } else { format!("{id}\n") })
            .collect();
        let filter = format!("--filter={filter}");
        // Commits are negotiated from what is here; for single objects the server must not think that we have them.
        let negotiation =
            if is_history { "fetch.negotiationAlgorithm=consecutive" } else { "fetch.negotiationAlgorithm=noop" };
        let loud = if self.git.is_watched() { "--progress" } else { "--quiet" };
        let args = [
            "-c",
            negotiation,
            "fetch",
            loud,
            "--no-tags",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
            "--update-shallow",
            &filter,
            "--stdin",
            "origin",
        ];
        let ran = self.offline.must(&doing, &args, Input::Text(lines)).map_err(|error| self.located(error))?;
        if ran.stderr.contains("filtering not recognized") {
            self.local_first.store(true, Ordering::Relaxed);
        }
        lock(&self.known).extend(wanted);
        Ok(())
    }

    fn located(&self, error: PortError) -> PortError {
        match error {
            PortError::Missing { id, .. } => PortError::Missing { repository: self.url.to_string(), id },
            other => other,
        }
    }

    // Brings what is not here yet.
    fn bring(&self, filter: &str, ids: &[ObjectId]) -> Result<(), PortError> {
        let mut wanted: Vec<ObjectId> = {
            let known = lock(&self.known);
            ids.iter().filter(|id| !known.contains(id)).copied().collect()
        };
        wanted.sort();
        wanted.dedup();
        if self.local_first.load(Ordering::Relaxed) && !wanted.is_empty() {
            wanted = self.absent(&wanted)?;
        }
        if wanted.is_empty() { Ok(()) } else { self.fetch(filter, &wanted, false) }
    }

    fn absent(&self, ids: &[ObjectId]) -> Result<Vec<ObjectId>, PortError> {
        let lines = ids.iter().map(|id| format!("{id}\n")).collect();
        let ran =
            self.plain.must("look for objects", &["cat-file", "--batch-check=%(objectname)"], Input::Text(lines))?;
        let text = String::from_utf8_lossy(&ran.stdout);
        Ok(text.lines().filter_map(|line| line.strip_suffix(" missing")?.parse().ok()).collect())
    }

    // The leaves below a tree that is here with everything below it.
    fn list(&self, id: TreeId) -> Result<Leaves, PortError> {
        if let Some(leaves) = lock(&self.listed).get(&id) {
            return Ok(leaves.clone());
        }
        let doing = format!("list a folder of {}", self.url);
        let args = ["ls-tree", "-r", "-t", "-z", "--full-tree", &id.to_string()];
        let ran = self.offline.must(&doing, &args, Input::Nothing)?;
        let mut leaves = Leaves::new();
        for line in ran.stdout.split(|b| *b == 0).filter(|line| !line.is_empty()) {
            let (path, entry) = parse_entry(line)
                .ok_or_else(|| PortError::Unusable(format!("{doing}: git's answer is not understood")))?;
            if entry.0 == EntryMode::Tree {
                lock(&self.known).insert(entry.1);
            } else {
                leaves.insert(path_of(&path), entry);
            }
        }
        lock(&self.listed).insert(id, leaves.clone());
        Ok(leaves)
    }

    // The same, a level at a time, bringing what is not here.
    fn climb(&self, id: TreeId) -> Result<Leaves, PortError> {
        let mut leaves = Leaves::new();
        let mut level = vec![(Vec::new(), id)];
        while !level.is_empty() {
            let ids: Vec<TreeId> = level.iter().map(|(_, id)| *id).collect();
            let trees = self.trees(&ids)?;
            let mut next = Vec::new();
            for (path, id) in level {
                for (name, entry) in trees.get(&id).into_iter().flatten() {
                    let gap: &[u8] = if path.is_empty() { b"" } else { b"/" };
                    let path = [&path[..], gap, name].concat();
                    match entry.0 {
                        EntryMode::Tree => next.push((path, TreeId(entry.1))),
                        _ => drop(leaves.insert(path_of(&path), *entry)),
                    }
                }
            }
            level = next;
        }
        lock(&self.listed).insert(id, leaves.clone());
        Ok(leaves)
    }

    // The contents of objects that are here; larger ones than `limit` bytes are left out.
    fn read(&self, kind: Kind, ids: &[ObjectId], limit: u64) -> Result<HashMap<ObjectId, Vec<u8>>, PortError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let mut lines: String = ids.iter().map(|id| format!("{id}\n")).collect();
        if limit < u64::MAX {
            let format = "--batch-check=%(objectname) %(objectsize)";
            let ran = self.offline.must("look at objects", &["cat-file", format], Input::Text(lines))?;
            let text = String::from_utf8_lossy(&ran.stdout);
            // What is missing says so instead of a size, and is asked for below.
            let fits =
                |line: &&str| line.rsplit(' ').next().and_then(|s| s.parse().ok()).is_none_or(|n: u64| n <= limit);
            let ids = text.lines().filter(fits).filter_map(|line| line.split(' ').next());
            lines = ids.map(|id| format!("{id}\n")).collect();
        }
        let ran = self.offline.must("read objects", &["cat-file", "--batch", "--buffer"], Input::Text(lines))?;
        let mut rest = ran.stdout.as_slice();
        let mut found = HashMap::with_capacity(ids.len());
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let line = String::from_utf8_lossy(&rest[..end]).into_owned();
            rest = &rest[end + 1..];
            let words: Vec<&str> = line.split(' ').collect();
            let [id, is, size] = words[..] else {
                let id = words.first().copied().unwrap_or_default().to_owned();
                return Err(PortError::Missing { repository: self.url.to_string(), id });
            };
            let (id, size): (Option<ObjectId>, Option<usize>) = (id.parse().ok(), size.parse().ok());
            let (Some(id), Some(size), true) = (id, size, is == kind.as_str()) else {
                return Err(PortError::Unusable(format!("{} has a {is} where a {} belongs", self.url, kind.as_str())));
            };
            let Some(content) = rest.get(..size) else { break };
            found.insert(id, content.to_vec());
            rest = rest.get(size + 1..).unwrap_or_default();
        }
        Ok(found)
    }
}

impl Repository for Store {
    fn url(&self) -> &RepoUrl {
        &self.url
    }

    fn advertise(&self) -> Result<Advertised, PortError> {
        self.progress.step(&format!("asking {}", self.url));
        let doing = format!("ask {} for its branches", self.url);
        let text = self.git.text(&doing, &["ls-remote", "--symref", "origin", "HEAD", "refs/heads/*"])?;
        let mut found = Advertised::default();
        for (value, name) in text.lines().filter_map(|line| line.split_once('\t')) {
            if let (Some(target), "HEAD") = (value.strip_prefix("ref: refs/heads/"), name) {
                found.default = target.parse().ok();
            } else if let Some(branch) = name.strip_prefix("refs/heads/")
                && let (Ok(branch), Ok(id)) = (branch.parse(), value.parse())
            {
                found.branches.insert(branch, id);
            }
        }
        Ok(found)
    }

    fn reference(&self, name: &str) -> Result<Option<CommitId>, PortError> {
        let doing = format!("ask {} for a ref", self.url);
        // An annotated tag names its commit in a line of its own.
        let peeled = format!("{name}^{{}}");
        let text = self.git.text(&doing, &["ls-remote", "origin", name, &peeled])?;
        let found = |wanted: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once('\t'));
            lines.find(|(_, name)| *name == wanted).and_then(|(id, _)| id.parse().ok())
        };
        Ok(found(&peeled).or_else(|| found(name)))
    }

    fn history(&self, tips: &[CommitId]) -> Result<Graph, PortError> {
        let wanted: Vec<ObjectId> = {
            let known = lock(&self.known);
            tips.iter().map(|tip| tip.0).filter(|id| !known.contains(id)).collect()
        };
        if !wanted.is_empty() {
            self.progress.step(&format!("fetching history of {}", self.url));
            // Later on, what changed comes along at once: the trees on the way to it are few.
            let again = lock(&self.known).iter().next().is_some();
            match self.fetch(if again { "blob:none" } else { "tree:0" }, &wanted, true) {
                // The server takes us to have the trees of the commits that we have, and may send differences to them.
                // Commits alone come as differences to commits only.
                Err(PortError::Git { said, .. })
                    if again && BASE_IS_ELSEWHERE.iter().any(|words| said.contains(words)) =>
                {
                    self.fetch("tree:0", &wanted, true)?;
                }
                done => {
                    done?;
                    self.local_first.fetch_or(again, Ordering::Relaxed);
                }
            }
        }
        let lines: String = tips.iter().map(|tip| format!("{tip}\n")).collect();
        let args = ["rev-list", "--no-commit-header", "--format=%H %T %ct %P", "--stdin"];
        let ran = self.offline.must("read history", &args, Input::Text(lines))?;
        let text = String::from_utf8_lossy(&ran.stdout);
        let mut graph = Graph { nodes: HashMap::new(), shallow: self.git.dir.join("shallow").exists() };
        for line in text.lines() {
            let node = parse_node(line)
                .ok_or_else(|| PortError::Unusable(format!("a commit of {} is not understood: {line:?}", self.url)))?;
            graph.nodes.insert(node.0, node.1);
        }
        Ok(graph)
    }

    fn trees(&self, ids: &[TreeId]) -> Result<HashMap<TreeId, Tree>, PortError> {
        let wanted: Vec<ObjectId> = {
            let cache = lock(&self.trees);
            let mut wanted: Vec<ObjectId> = ids.iter().filter(|id| !cache.contains_key(id)).map(|id| id.0).collect();
            wanted.sort();
            wanted.dedup();
            wanted
        };
        if !wanted.is_empty() {
            self.bring("tree:0", &wanted)?;
            let read = self.read(Kind::Tree, &wanted, u64::MAX)?;
            let mut cache = lock(&self.trees);
            for (id, content) in read {
                let tree = object::parse_tree(&content)
                    .ok_or_else(|| PortError::Unusable(format!("the tree {id} of {} is malformed", self.url)))?;
                cache.insert(TreeId(id), tree);
            }
        }
        let cache = lock(&self.trees);
        Ok(ids.iter().filter_map(|id| Some((*id, cache.get(id)?.clone()))).collect())
    }

    fn leaves(&self, ids: &[TreeId]) -> Result<HashMap<TreeId, Leaves>, PortError> {
        let mut shallow: Vec<TreeId> = {
            let (deep, listed) = (lock(&self.deep), lock(&self.listed));
            ids.iter().filter(|id| !deep.contains(id) && !listed.contains_key(id)).copied().collect()
        };
        if self.local_first.load(Ordering::Relaxed) {
            shallow.retain(|id| self.list(*id).is_err());
        }
        self.prefetch(&shallow)?;
        // A tree that came without those below it is here already for git, which then brings nothing more.
        ids.iter().map(|id| Ok((*id, self.list(*id).or_else(|_| self.climb(*id))?))).collect()
    }

    fn prefetch(&self, ids: &[TreeId]) -> Result<(), PortError> {
        let mut wanted: Vec<ObjectId> = Vec::new();
        let mut open = ids.to_vec();
        // No server has what was written here: what is below it is asked for instead.
        while !open.is_empty() {
            let (own, others): (Vec<TreeId>, Vec<TreeId>) = {
                let (deep, written) = (lock(&self.deep), lock(&self.written));
                open.into_iter().filter(|id| !deep.contains(id)).partition(|id| written.contains(id))
            };
            wanted.extend(others.iter().map(|id| id.0));
            let below = self.trees(&own)?;
            let below = below.values().flat_map(Tree::values).filter(|(mode, _)| *mode == EntryMode::Tree);
            open = below.map(|(_, id)| TreeId(*id)).collect();
        }
        if wanted.is_empty() {
            return Ok(());
        }
        self.fetch("blob:none", &wanted, false)?;
        lock(&self.deep).extend(ids);
        self.local_first.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn blobs(&self, ids: &[BlobId], limit: u64) -> Result<HashMap<BlobId, Vec<u8>>, PortError> {
        let mut wanted: Vec<ObjectId> = ids.iter().map(|id| id.0).collect();
        wanted.sort();
        wanted.dedup();
        self.bring("blob:none", &wanted)?;
        let read = self.read(Kind::Blob, &wanted, limit)?;
        Ok(read.into_iter().map(|(id, content)| (BlobId(id), content)).collect())
    }

    fn bring_blobs(&self, ids: &[BlobId]) -> Result<(), PortError> {
        let wanted: Vec<ObjectId> = ids.iter().map(|id| id.0).collect();
        self.bring("blob:none", &wanted)
    }

    fn each_blob(
        &self,
        ids: &[BlobId],
        take: &mut (dyn FnMut(BlobId, u64, &mut dyn Read) -> io::Result<()> + Send),
    ) -> Result<(), PortError> {
        self.bring_blobs(ids)?;
        let mut wanted = ids.to_vec();
        wanted.sort();
        wanted.dedup();
        if wanted.is_empty() {
            return Ok(());
        }
        let lines: String = wanted.iter().map(|id| format!("{id}\n")).collect();
        let mut read = |out: &mut dyn BufRead| {
            for id in &wanted {
                let mut line = String::new();
                out.read_line(&mut line)?;
                let size = line.trim_end().strip_prefix(&format!("{id} blob ")).and_then(|size| size.parse().ok());
                let size: u64 = size.ok_or_else(|| io::Error::other(format!("no blob: {}", line.trim_end())))?;
                let mut content = out.take(size);
                take(*id, size, &mut content)?;
                io::copy(&mut content, &mut io::sink())?;
                out.read_exact(&mut [0])?;
            }
            Ok(())
        };
        self.offline.stream("read file contents", &["cat-file", "--batch", "--buffer"], lines, &mut read)
    }

    fn texts(&self, ids: &[CommitId]) -> Result<Vec<CommitText>, PortError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let lines: String = ids.iter().map(|id| format!("{id}\n")).collect();
        let format = "--format=%H%x00%an <%ae>%x00%aI%x00%s%x00%b";
        let args = ["log", "--no-walk=unsorted", "--no-show-signature", "--encoding=UTF-8", "-z", format, "--stdin"];
        let ran = self.offline.must("read commit messages", &args, Input::Text(lines))?;
        let text = String::from_utf8_lossy(&ran.stdout);
        let mut found = Vec::new();
        // A commit holds no NUL, so each one is five fields, the last ended by -z.
        let fields: Vec<&str> = text.split('\0').collect();
        for item in fields.chunks_exact(5) {
            let [id, author, date, subject, body] = item else { break };
            let id =
                id.parse().map_err(|_| PortError::Unusable(format!("a commit of {} is not understood", self.url)))?;
            found.push(CommitText {
                id,
                author: (*author).to_owned(),
                date: (*date).to_owned(),
                subject: (*subject).to_owned(),
                body: body.trim().to_owned(),
            });
        }
        Ok(found)
    }

    fn first_absorbing(&self, base: TreeId, change: TreeId, onto: &[TreeId]) -> Result<Option<usize>, PortError> {
        // Synthetic commits give the merge its base with every git since 2.38; --merge-base came later.
        let commit = |tree: TreeId, parent: Option<CommitId>| -> Result<(CommitId, Object), PortError> {
            let parent = parent.map(|id| format!("parent {id}\n")).unwrap_or_default();
            let who = "passgate <passgate@localhost> 0 +0000";
            let content = format!("tree {tree}\n{parent}author {who}\ncommitter {who}\n\nmerge\n").into_bytes();
            let id = object::id_of(Kind::Commit, &content).map_err(|error| PortError::Unusable(error.to_string()))?;
            Ok((CommitId(id), Object { kind: Kind::Commit, content }))
        };
        let (base, base_object) = commit(base, None)?;
        let (change, change_object) = commit(change, Some(base))?;
        let mut objects = vec![base_object, change_object];
        let mut candidates = Vec::new();
        for tree in onto {
            let (id, object) = commit(*tree, Some(base))?;
            candidates.push(id);
            objects.push(object);
        }
        self.write(objects.len(), &mut objects.into_iter().map(Ok))?;
        for (at, (candidate, tree)) in candidates.iter().zip(onto).enumerate() {
            let (ours, theirs) = (candidate.to_string(), change.to_string());
            let args = ["merge-tree", "--write-tree", "--no-messages", "-z", &ours, &theirs];
            let ran: Ran = self.git.run("merge", &args, Input::Nothing, true)?;
            let merged: Option<TreeId> =
                std::str::from_utf8(ran.stdout.get(..40).unwrap_or_default()).ok().and_then(|s| s.parse().ok());
            match merged {
                Some(merged) if ran.success && merged == *tree => return Ok(Some(at)),
                Some(_) => {}
                None => return Err(failure("merge the live change into the new commit", &ran.stderr)),
            }
        }
        Ok(None)
    }

    fn write(
        &self,
        count: usize,
        objects: &mut (dyn Iterator<Item = Result<Object, PortError>> + Send),
    ) -> Result<(), PortError> {
        let mut failed = None;
        // What was written here need not be asked for.
        self.local_first.store(true, Ordering::Relaxed);
        let made = |object: &Result<Object, PortError>| {
            let tree = object.as_ref().ok().filter(|object| object.kind == Kind::Tree);
            if let Some(id) = tree.and_then(|tree| object::id_of(Kind::Tree, &tree.content).ok()) {
                lock(&self.written).insert(TreeId(id));
            }
        };
        let mut objects = objects.inspect(made);
        let mut stream = |out: &mut dyn std::io::Write| pack::write(out, count, &mut objects, &mut failed);
        let loud = self.git.is_watched().then_some("-v");
        let args: Vec<&str> =
            ["index-pack", "--stdin", "--fsck-objects", "--threads=1"].into_iter().chain(loud).collect();
        let result = self.offline.must("write objects", &args, Input::Stream(&mut stream));
        if let Some(error) = failed {
            return Err(error);
        }
        result.map(|_| ())
    }

    fn diff(&self, old: CommitId, new: CommitId) -> Result<Vec<(String, Option<Entry>)>, PortError> {
        let (old, new) = (old.to_string(), new.to_string());
        let args = ["diff-tree", "-r", "-z", "--no-renames", "--no-abbrev", &old, &new];
        let ran = self.offline.must("compare the finished commit with its parent", &args, Input::Nothing)?;
        let mut fields = ran.stdout.split(|b| *b == 0).filter(|field| !field.is_empty());
        let mut found = Vec::new();
        while let (Some(head), Some(path)) = (fields.next(), fields.next()) {
            let head = String::from_utf8_lossy(head);
            let words: Vec<&str> = head.split(' ').collect();
            let entry = (|| Some((EntryMode::parse(words.get(1)?)?, words.get(3)?.parse().ok()?)))();
            found.push((path_of(path), entry));
        }
        Ok(found)
    }

    fn push(&self, branch: &BranchName, commit: CommitId) -> Result<PushAnswer, PortError> {
        self.progress.step(&format!("pushing to {}", self.url));
        self.send(None, &format!("{commit}:refs/heads/{branch}"))
    }

    fn replace(
        &self,
        branch: &ProposalBranch,
        old: Option<CommitId>,
        new: Option<CommitId>,
    ) -> Result<PushAnswer, PortError> {
        self.progress.step(&format!("pushing {branch} to {}", self.url));
        let text = |id: Option<CommitId>| id.map(|id| id.to_string()).unwrap_or_default();
        let lease = format!("--force-with-lease=refs/heads/{branch}:{}", text(old));
        self.send(Some(&lease), &format!("{}:refs/heads/{branch}", text(new)))
    }
}

impl Store {
    fn send(&self, lease: Option<&str>, refspec: &str) -> Result<PushAnswer, PortError> {
        let loud = if self.git.is_watched() { "--progress" } else { "--no-progress" };
        let mut args = vec!["push", loud, "--porcelain", "--no-verify", "--no-thin", "--no-signed"];
        args.extend(lease);
        args.extend(["origin", refspec]);
        // Not stoppable: an interrupted push would leave the answer unknown.
        let ran = self.offline.run(&format!("push to {}", self.url), &args, Input::Nothing, false)?;
        Ok(push::answer(ran.success, &String::from_utf8_lossy(&ran.stdout), &ran.stderr))
    }
}

fn parse_node(line: &str) -> Option<(CommitId, Node)> {
    let mut words = line.split_ascii_whitespace();
    let id = words.next()?.parse().ok()?;
    let tree = words.next()?.parse().ok()?;
    let time = words.next()?.parse().ok()?;
    let parents = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
    Some((id, Node { tree, time, parents }))
}
