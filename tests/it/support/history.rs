//! The history of an environment as passgate and others write it over years, made in one go by `git fast-import`.

use std::collections::BTreeMap;
use std::io::Write as _;

use passgate::domain::artifact::Folder;
use passgate::domain::id::{BlobId, CommitId, Digest, ObjectId, Sha256};
use passgate::domain::listing::{EntryMode, FileMode, Leaves, digest, has_git_file};
use passgate::domain::object::{Built, Kind, below, id_of};
use passgate::domain::outcome::{GateReport, Verdict};
use passgate::domain::record::{Deed, Entry, FORMAT, LEDGER, Mark, Origin, Record, State};
use passgate::domain::time;
use sha2::Digest as _;

const RECORD: &str = ".passgate/records/shop.json";
const OWN: &str = "apps/shop/own/";

/// A history in the making.
struct Making {
    stream: Vec<u8>,
    files: BTreeMap<String, Vec<u8>>,
    ids: BTreeMap<String, ObjectId>,
    parent: Option<CommitId>,
    time: i64,
    record: Option<(BlobId, Record)>,
    landed: Option<CommitId>,
}

/// The `fast-import` stream of a clean history of `commits` commits under a policy, which must accept `shop` with the folder
/// `apps` and own `apps/shop/own/**`; and the id of its tip.
pub fn clean(url: &str, source: &str, policy: &str, commits: usize) -> (Vec<u8>, CommitId) {
    let mut making = Making {
        stream: Vec::new(),
        files: BTreeMap::new(),
        ids: BTreeMap::new(),
        parent: None,
        time: 1_700_000_000,
        record: None,
        landed: None,
    };
    making.put(".passgate/stage.yaml", policy.as_bytes().to_vec());
    making.put("cluster/x/y.yaml", b"turn: 0\n".to_vec());
    making.commit("Begin");
    for turn in 1..commits {
        match turn % 10 {
            1 => making.release(url, source, turn),
            3 => making.mark(turn),
            5 if turn % 20 == 5 => making.anchor(turn),
            2 => making.put(&format!("{OWN}x.yaml"), format!("turn: {turn}\n").into_bytes()),
            9 if turn % 50 == 9 => making.put("apps/.gitkeep", format!("{turn}\n").into_bytes()),
            _ => making.put(&format!("cluster/x/y{}.yaml", turn % 7), format!("turn: {turn}\n").into_bytes()),
        }
        let id = making.commit("A change");
        if turn % 10 == 1 {
            making.landed = Some(id);
        }
    }
    (making.stream, making.parent.unwrap())
}

impl Making {
    fn put(&mut self, path: &str, content: Vec<u8>) {
        self.ids.insert(path.to_owned(), id_of(Kind::Blob, &content).unwrap());
        self.files.insert(path.to_owned(), content);
    }

    fn leaves(&self) -> Leaves {
        self.ids.iter().map(|(path, id)| (path.clone(), (EntryMode::Regular, *id))).collect()
    }

    // Writes what was put since the last commit.
    fn commit(&mut self, message: &str) -> CommitId {
        self.time += 60;
        let tree = Built::default().add_leaves(&self.leaves()).unwrap().unwrap();
        let parent = self.parent.map(|id| format!("parent {id}\n")).unwrap_or_default();
        let who = format!("Dana <dana@example.org> {} +0000", self.time);
        let text = format!("tree {tree}\n{parent}author {who}\ncommitter {who}\n\n{message}");
        let id = CommitId(id_of(Kind::Commit, text.as_bytes()).unwrap());
        let out = &mut self.stream;
        writeln!(out, "commit refs/heads/main\ncommitter {who}\ndata {}\n{message}", message.len()).unwrap();
        for (path, content) in std::mem::take(&mut self.files) {
            writeln!(out, "M 100644 inline {path}\ndata {}", content.len()).unwrap();
            out.extend_from_slice(&content);
            out.push(b'\n');
        }
        out.push(b'\n');
        self.parent = Some(id);
        id
    }

    fn write(&mut self, record: Record) {
        let bytes = record.to_bytes().unwrap();
        self.put(RECORD, bytes);
        self.record = Some((BlobId(self.ids[RECORD]), record));
    }

    fn release(&mut self, url: &str, source: &str, turn: usize) {
        self.put(&format!("apps/shop/f{}.yaml", turn % 70), format!("turn: {turn}\n").into_bytes());
        self.put("infra/a/b.yaml", format!("turn: {turn}\n").into_bytes());
        let hash = |text: &str| Sha256(sha2::Sha256::digest(text).into());
        let turns: Vec<(String, Sha256)> =
            self.content(turn).iter().map(|(path, text)| (path.clone(), hash(text))).collect();
        let digest = digest(turns.iter().map(|(path, sha)| (path.as_str(), FileMode::Regular, *sha)));
        let now = time::text(self.time);
        let (before, seq) = match &self.record {
            Some((blob, record)) => (Some((*blob, record.clone())), record.seq + 1),
            None => (None, 1),
        };
        let mut ledger = vec![entry(seq, digest, turn, &now)];
        if let Some((_, record)) = &before {
            ledger.extend(record.ledger.iter().cloned());
            ledger[1].release_commit = self.landed;
            ledger.truncate(LEDGER);
        }
        let leaves = self.leaves();
        let folder = |path: &str| Folder {
            path: path.to_owned(),
            tree: Built::default().add_leaves(&below(&leaves, path)).unwrap(),
        };
        let gate = |name: &str| GateReport {
            gate: name.to_owned(),
            verdict: Verdict::Passed,
            detail: "as it should be".to_owned(),
            remedy: None,
        };
        let kept =
            leaves.keys().filter(|path| path.starts_with(OWN) || (has_git_file(path) && path.starts_with("apps/")));
        let record = Record {
            format: FORMAT.to_owned(),
            stage: "dev".parse().unwrap(),
            repository: url.parse().unwrap(),
            branch: "main".parse().unwrap(),
            unit: "shop".parse().unwrap(),
            seq,
            replaces: before.as_ref().map(|(blob, _)| *blob),
            restarted: None,
            digest,
            folders: vec![folder("apps"), folder("infra")],
            source: Origin {
                repository: source.parse().unwrap(),
                commit: commit_of(turn),
                branch: "main".parse().unwrap(),
            },
            version: None,
            state: State::Released,
            released: Deed { at: now, by: Some("Dana".to_owned()), run: None },
            marked: None,
            kept: kept.cloned().collect(),
            after: Vec::new(),
            policy: BlobId(self.ids[".passgate/stage.yaml"]),
            overridden: None,
            gates: ["artifact", "unit", "source", "branch", "order", "drift"].map(gate).to_vec(),
            ledger,
        };
        self.write(record);
    }

    // What the unit's files hold after the release of a turn.
    fn content(&self, turn: usize) -> Vec<(String, String)> {
        let mut newest: BTreeMap<usize, usize> = BTreeMap::new();
        for release in (0..=turn / 10).rev().take(7).map(|count| count * 10 + 1) {
            newest.entry(release % 70).or_insert(release);
        }
        let files =
            newest.into_iter().map(|(slot, turn)| (format!("apps/shop/f{slot}.yaml"), format!("turn: {turn}\n")));
        files.chain([("infra/a/b.yaml".to_owned(), format!("turn: {turn}\n"))]).collect()
    }

    fn follow(&mut self, change: impl FnOnce(&mut Record)) {
        let Some((blob, mut record)) = self.record.take() else { return };
        record.seq += 1;
        record.replaces = Some(blob);
        change(&mut record);
        self.write(record);
    }

    fn mark(&mut self, turn: usize) {
        let now = time::text(self.time);
        let state = if turn % 30 == 3 { State::Failed } else { State::Passed };
        self.follow(|record| {
            record.state = state;
            record.ledger[0].state = state;
            record.ledger[0].marked = Some(now.clone());
            record.marked = Some(Mark { state, at: now, by: None, run: None, note: None });
        });
    }

    fn anchor(&mut self, turn: usize) {
        self.follow(|record| {
            record.source.commit = commit_of(turn);
            record.ledger[0].commit = Some(commit_of(turn));
            record.gates[0].detail = "asked again".to_owned();
        });
    }
}

fn commit_of(turn: usize) -> CommitId {
    format!("{turn:040x}").parse().unwrap()
}

fn entry(seq: u64, digest: Digest, turn: usize, now: &str) -> Entry {
    Entry {
        seq,
        digest,
        commit: Some(commit_of(turn)),
        branch: Some("main".parse().unwrap()),
        release_commit: None,
        state: State::Released,
        released: now.to_owned(),
        marked: None,
        by: Some("Dana".to_owned()),
        run: None,
        overridden: None,
    }
}
