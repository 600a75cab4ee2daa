//! What the use cases need from outside. Everything here is synchronous: an adapter that talks HTTP keeps its
//! runtime to itself, and use cases ask side by side with scoped threads.

mod forge;

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::domain::artifact::Manifest;
use crate::domain::gate::Asked;
use crate::domain::gate::images::{Question, Seen};
use crate::domain::graph::Graph;
use crate::domain::id::{BlobId, BranchName, CommitId, TreeId};
use crate::domain::image::Build;
use crate::domain::listing::{Entry, File, FileMode, Leaves};
use crate::domain::object::{Object, Tree};
use crate::domain::policy::Hosts;
use crate::domain::proposal::ProposalBranch;
use crate::domain::url::RepoUrl;

pub use crate::domain::credentials::Role;
pub use forge::{Fetched, Forge, Forges, Proposal, Pull, PullRequests, PullState};

/// An artifact that was proven intact: a manifest, and the content of its files on demand.
pub struct Artifact {
    /// What it says of itself, proven canonical and equal to its files.
    pub manifest: Manifest,
    /// Where the bytes are read from.
    pub content: Box<dyn Content>,
}

/// The bytes of an artifact's files.
pub trait Content: Send + Sync {
    /// The content of one file; it is checked against the file's SHA-256 again, so that what is written is what was
    /// proven even if somebody changes the artifact in between.
    ///
    /// # Errors
    /// The artifact cannot be read any more, or its bytes changed.
    fn read(&self, file: &File) -> Result<Vec<u8>, ArtifactError>;
}

/// Why an artifact cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// It is not what `package` writes: gate `artifact` refuses it.
    #[error("{0}")]
    Refused(String),
    /// It cannot be read.
    #[error("cannot read {path}")]
    Io {
        /// The file or folder.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It cannot be written.
    #[error("cannot write {path}")]
    Unwritten {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Reads and writes artifacts.
pub trait Artifacts: Send + Sync {
    /// Reads a deployment zip, or the folder it was unpacked into, and proves it intact.
    ///
    /// # Errors
    /// It is refused, or cannot be read.
    fn open(&self, path: &Path) -> Result<Artifact, ArtifactError>;

    /// Writes a deployment zip, atomically: the file appears whole or not at all. `contents` yields the bytes of `drafts` in
    /// that order, once; `finish` makes the manifest of the files that they turned out to be.
    ///
    /// # Errors
    /// `contents` or `finish` failed, or the file cannot be written.
    fn write(
        &self,
        path: &Path,
        drafts: Vec<Draft>,
        contents: &mut (dyn Iterator<Item = std::io::Result<Vec<u8>>> + Send),
        finish: &mut dyn FnMut(Vec<File>) -> Result<Manifest, ArtifactError>,
    ) -> Result<Manifest, ArtifactError>;
}

/// The files of a folder that were asked for.
#[derive(Debug, Default)]
pub struct Folder {
    /// Contents by path from the folder.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Paths of symbolic links, which are not followed.
    pub links: Vec<String>,
}

/// Reads folders that are no artifacts.
pub trait Folders: Send + Sync {
    /// Whether a path is a deployment zip or the folder that one was unpacked into, rather than any folder.
    fn is_artifact(&self, path: &Path) -> bool;

    /// The files below a folder whose paths are wanted; what git keeps for itself is left out.
    ///
    /// # Errors
    /// It cannot be read, or holds more than an artifact may.
    fn read(&self, path: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<Folder, ArtifactError>;

    /// Which of these paths below a folder are taken.
    fn taken(&self, path: &Path, files: &mut dyn Iterator<Item = &str>) -> Vec<String>;

    /// Writes files below a folder, and the folders that they lie in.
    ///
    /// # Errors
    /// One cannot be written.
    fn write(&self, path: &Path, files: &BTreeMap<String, String>) -> Result<(), PortError>;
}

/// A file to be written into an artifact, before its content was read.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Path from the root of the environment repository.
    pub path: String,
    /// Regular or executable.
    pub mode: FileMode,
    /// The id that git gives the content.
    pub blob: BlobId,
}

/// Why something outside could not be done.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The repository could not be reached or read: network, authentication, a missing repository.
    #[error("{doing}")]
    Git {
        /// What was tried, on which repository.
        doing: String,
        /// What git said, as it said it.
        said: String,
        /// The way out, where git's words tell it.
        hint: Option<String>,
    },
    /// A forge could not be asked, or its answer makes no sense.
    #[error("{doing}")]
    Forge {
        /// What was tried, on which repository.
        doing: String,
        /// What came of it.
        said: String,
        /// The way out, where it is known.
        hint: Option<String>,
    },
    /// An object that a server was asked for by name is not there.
    #[error("{repository} does not have the object {id}")]
    Missing {
        /// The repository.
        repository: String,
        /// The object.
        id: String,
    },
    /// The repository holds something that passgate cannot work with.
    #[error("{0}")]
    Unusable(String),
    /// The system said no.
    #[error("{doing}")]
    Io {
        /// What was tried.
        doing: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Somebody stopped the command.
    #[error("interrupted")]
    Interrupted,
}

/// What a server advertises.
#[derive(Debug, Clone, Default)]
pub struct Advertised {
    /// Every branch, by its full name below `refs/heads/`.
    pub branches: BTreeMap<BranchName, CommitId>,
    /// The branch that `HEAD` points to.
    pub default: Option<BranchName>,
}

/// The text of a commit.
#[derive(Debug, Clone)]
pub struct CommitText {
    /// The commit.
    pub id: CommitId,
    /// `Name <mail>`.
    pub author: String,
    /// Author time, RFC 3339.
    pub date: String,
    /// First line.
    pub subject: String,
    /// The rest.
    pub body: String,
}

/// What a server said to a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushAnswer {
    /// The branch holds the commit.
    Done,
    /// Somebody else was first.
    Moved,
    /// The server's policy does not want it.
    Rejected(String),
    /// The connection broke: nobody knows.
    Lost(String),
}

/// One remote repository, seen through an object store of our own that holds only what was asked for.
pub trait Repository: Send + Sync {
    /// Where it is.
    fn url(&self) -> &RepoUrl;

    /// Asks the server for its branches.
    ///
    /// # Errors
    /// The server cannot be asked.
    fn advertise(&self) -> Result<Advertised, PortError>;

    /// The commit of a ref by its full name, if the server has it.
    ///
    /// # Errors
    /// The server cannot be asked.
    fn reference(&self, name: &str) -> Result<Option<CommitId>, PortError>;

    /// Brings the history of some commits, without trees, and reads it.
    ///
    /// # Errors
    /// The server cannot be asked, or does not have a commit ([`PortError::Missing`]).
    fn history(&self, tips: &[CommitId]) -> Result<Graph, PortError>;

    /// Brings and reads trees, one level each.
    ///
    /// # Errors
    /// The server cannot be asked, or does not have a tree.
    fn trees(&self, ids: &[TreeId]) -> Result<HashMap<TreeId, Tree>, PortError>;

    /// Brings trees with all trees below them, without file contents, and reads their leaves (paths relative to each).
    ///
    /// # Errors
    /// The server cannot be asked, or does not have a tree.
    fn leaves(&self, ids: &[TreeId]) -> Result<HashMap<TreeId, Leaves>, PortError>;

    /// Brings trees with all trees below them, without reading them: what is asked for one by one later is here then.
    ///
    /// # Errors
    /// The server cannot be asked, or does not have a tree.
    fn prefetch(&self, ids: &[TreeId]) -> Result<(), PortError>;

    /// Brings and reads file contents; those of more than `limit` bytes are left out.
    ///
    /// # Errors
    /// The server cannot be asked, or does not have a blob.
    fn blobs(&self, ids: &[BlobId], limit: u64) -> Result<HashMap<BlobId, Vec<u8>>, PortError>;

    /// Brings file contents without reading them: what is asked for piece by piece later is here then.
    ///
    /// # Errors
    /// The server cannot be asked, or does not have a blob.
    fn bring_blobs(&self, ids: &[BlobId]) -> Result<(), PortError>;

    /// Brings file contents and hands each over once as a stream, with its size; none is kept, however large.
    ///
    /// # Errors
    /// The server cannot be asked, does not have a blob, or `take` fails.
    fn each_blob(
        &self,
        ids: &[BlobId],
        take: &mut (dyn FnMut(BlobId, u64, &mut dyn Read) -> std::io::Result<()> + Send),
    ) -> Result<(), PortError>;

    /// The texts of commits of a history that was brought, in the order given.
    ///
    /// # Errors
    /// They cannot be read.
    fn texts(&self, ids: &[CommitId]) -> Result<Vec<CommitText>, PortError>;

    /// The first of `onto` into which merging `change` (made on `base`) changes nothing, that is, which holds the change
    /// already. The trees hold only folders of a unit and were brought or written before; contents are brought where both
    /// sides edited one file.
    ///
    /// # Errors
    /// The merge cannot be computed.
    fn first_absorbing(&self, base: TreeId, change: TreeId, onto: &[TreeId]) -> Result<Option<usize>, PortError>;

    /// Writes `count` objects into our own store.
    ///
    /// # Errors
    /// They cannot be written.
    fn write(
        &self,
        count: usize,
        objects: &mut (dyn Iterator<Item = Result<Object, PortError>> + Send),
    ) -> Result<(), PortError>;

    /// The paths that differ between two commits, with what the second has there (None: nothing). Equal trees are not
    /// looked into; a tree that is not in our store is an error, not an answer.
    ///
    /// # Errors
    /// A tree on the way is not there.
    fn diff(&self, old: CommitId, new: CommitId) -> Result<Vec<(String, Option<Entry>)>, PortError>;

    /// Pushes a commit to a branch, fast-forward only.
    ///
    /// # Errors
    /// git itself could not be started.
    fn push(&self, branch: &BranchName, commit: CommitId) -> Result<PushAnswer, PortError>;

    /// Makes a branch of passgate's own hold `new`, wherever it was; without one it goes. Only while the server still has
    /// `old` there (None: no such branch), else the answer is [`PushAnswer::Moved`].
    ///
    /// # Errors
    /// git itself could not be started.
    fn replace(
        &self,
        branch: &ProposalBranch,
        old: Option<CommitId>,
        new: Option<CommitId>,
    ) -> Result<PushAnswer, PortError>;
}

/// Opens repositories, each once a run.
pub trait Repositories: Send + Sync {
    /// A repository of the given place, with the credentials of a role.
    ///
    /// # Errors
    /// No store can be made for it.
    fn open(&self, url: &RepoUrl, role: Role) -> Result<Arc<dyn Repository>, PortError>;

    /// Whether the user asked to stop.
    fn interrupted(&self) -> bool;

    /// The same place with local paths made canonical, for comparison.
    fn canonical(&self, url: &RepoUrl) -> RepoUrl;
}

/// Registries of images and charts.
pub trait Registry: Send + Sync {
    /// What they have, each distinct question asked once a run. No host but these is ever contacted; what could not be
    /// asked is an answer too.
    ///
    /// # Errors
    /// The user asked to stop, or nothing can be asked at all.
    fn ask(&self, questions: &[Question], hosts: &Hosts) -> Result<HashMap<Question, Asked<Seen>>, PortError>;
}

/// What a program printed of a build, or why it did not.
pub type Rendered = Result<String, String>;

/// What programs made of builds.
#[derive(Debug, Default)]
pub struct AllRendered {
    /// Of each, in their order.
    pub each: Vec<Rendered>,
    /// Whether they could have reached a network, had they known a reason to: this system lets us take none away.
    pub has_network: bool,
}

/// Programs that build what a tree deploys: kustomize and helm.
pub trait Renderers: Send + Sync {
    /// Builds of a tree. They see these files and nothing else.
    ///
    /// # Errors
    /// The user asked to stop, or nothing can be built at all.
    fn render(&self, files: &BTreeMap<String, Vec<u8>>, builds: &[Build]) -> Result<AllRendered, PortError>;
}

/// A commit of a local repository, to be packaged.
pub trait WorkingCopy: Send + Sync {
    /// The URL of `origin`, if there is one.
    ///
    /// # Errors
    /// git cannot be asked.
    fn origin(&self) -> Result<Option<String>, PortError>;

    /// The commit that a revision names, and its committer time.
    ///
    /// # Errors
    /// There is no such commit.
    fn commit(&self, revision: &str) -> Result<(CommitId, i64), PortError>;

    /// Everything below a folder of a commit, with paths from the root; empty when there is no such folder.
    ///
    /// # Errors
    /// git cannot be asked.
    fn leaves(&self, commit: CommitId, folder: &str) -> Result<Vec<(Vec<u8>, Entry)>, PortError>;

    /// Paths in these folders whose state in the work tree is not that of the commit; empty for a bare repository.
    ///
    /// # Errors
    /// git cannot be asked.
    fn uncommitted(&self, folders: &[String]) -> Result<Vec<String>, PortError>;

    /// The contents of blobs, in order, as they come.
    ///
    /// # Errors
    /// git cannot be asked.
    fn contents(
        &self,
        ids: Vec<BlobId>,
    ) -> Result<Box<dyn Iterator<Item = std::io::Result<Vec<u8>>> + Send>, PortError>;
}

/// The time of day.
pub trait Clock: Send + Sync {
    /// Seconds since 1970.
    fn now(&self) -> i64;
}

/// What a person at a terminal sees of long steps.
pub trait Progress: Send + Sync {
    /// A step begins.
    fn step(&self, what: &str);

    /// How much of a part of the step is done.
    fn amount(&self, done: u64, total: u64);

    /// Whether anybody looks: to nobody, nothing is worth counting.
    fn is_watched(&self) -> bool;
}
