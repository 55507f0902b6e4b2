//! A history as operations: one blob, one manifest under one reference, one deletion, one token, one thing that is read,
//! each with its tries.
//!
//! A try ends with the request that failed or succeeded; requests that lead up to it belong to it. A challenge is no try.
//! Neither is an answer that says that a token has expired, unless it comes twice in a row. A request after a successful try,
//! or during a try, begins a new operation.
//!
//! One client is assumed, which may do several things at once. The requests of parallel jobs cannot be told apart; those of
//! consecutive jobs are separated by [`within`](super::within). A refused POST does not name its blob. It is counted for the
//! blob that was looked up longest ago and not sent since, else for the waiting blob with the fewest tries; the number of
//! tries is right whichever blob it was. A client that looks up no blobs before it sends them is not judged by its refused
//! POSTs.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use super::{
    answer::{Answered, Failure, answered},
    uploads::Uploads,
};
use crate::history::{Exchange, Kind, Operation as Asked};

/// What an operation is about: two requests about the same belong to the same operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    server: String,
    repository: String,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    /// The upload of a blob, by its digest if anything tells it.
    Blob(Option<String>),
    /// A manifest with these bytes under this reference.
    Manifest(String, Option<String>),
    /// A deletion of this reference.
    Deletion(String),
    /// Anything else, in words: a mount, a token, something that is read.
    Other(String),
}

impl Subject {
    /// Whether it is a deletion, which may be refused until something else is gone.
    pub(super) const fn is_deletion(&self) -> bool {
        matches!(self.what, What::Deletion(_))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, repository, what } = self;
        match what {
            What::Blob(Some(digest)) => write!(f, "{server}: the upload of {digest} to {repository}"),
            What::Blob(None) => write!(f, "{server}: the upload of a blob to {repository}"),
            What::Manifest(reference, _) => write!(f, "{server}: the manifest {reference} of {repository}"),
            What::Deletion(reference) => write!(f, "{server}: the deletion of {reference} in {repository}"),
            What::Other(what) => write!(f, "{server}: {what}"),
        }
    }
}

/// One try.
#[derive(Debug, Clone)]
pub(super) struct Try {
    /// The request that failed or did it.
    pub(super) index: usize,
    /// When the first request of this try began.
    pub(super) began_ms: u64,
    /// When its last request had ended.
    pub(super) ended_ms: u64,
    /// Whether another operation may have been meant.
    pub(super) guessed: bool,
    /// How it failed; none if it did it.
    pub(super) failure: Option<Failure>,
}

/// An operation with its tries, in order.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) subject: Subject,
    pub(super) tries: Vec<Try>,
    state: State,
    /// Whether the try that is under way may be another operation's.
    guessed: bool,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// A try began then and has not ended.
    UnderWay(u64),
    /// A token had expired when that was answered; the same request follows with a fresh one.
    Expired(u64),
    /// A try has ended then, and failed.
    Failed(u64),
    Done,
}

impl State {
    /// Since when another request for the same thing is awaited.
    const fn awaits_since(self) -> Option<u64> {
        match self {
            Self::Expired(since) | Self::Failed(since) => Some(since),
            Self::UnderWay(_) | Self::Done => None,
        }
    }
}

/// All operations of a history.
pub(super) fn operations(history: &[Exchange]) -> Vec<Operation> {
    let mut reader = Reader { uploads: Uploads::of(history), ..Reader::default() };
    for (index, exchange) in history.iter().enumerate() {
        reader.read(index, exchange);
    }
    reader.operations
}

#[derive(Default)]
struct Reader {
    uploads: Uploads,
    operations: Vec<Operation>,
    /// Which operation an upload belongs to.
    of_upload: HashMap<usize, usize>,
    /// Blobs that were asked for, were not there, and were not sent since, in that order, by server and repository.
    wanted: BTreeMap<(String, String), Vec<String>>,
}

impl Reader {
    fn read(&mut self, index: usize, exchange: &Exchange) {
        let Some(asked) = &exchange.operation else { return };
        let answered = answered(exchange, asked.kind);
        if asked.kind == Kind::BlobHead && exchange.status == Some(404) {
            self.want(exchange);
        }
        if answered == Answered::Challenge {
            return;
        }
        let upload = self.uploads.upload(exchange);
        let Some(subject) = self.subject(exchange, upload) else { return };
        let known = upload.and_then(|upload| self.of_upload.get(&upload).copied());
        let place = known.unwrap_or_else(|| self.place(exchange, subject));
        if let Some(upload) = upload {
            self.of_upload.insert(upload, place);
        }
        self.operations[place].note(index, exchange, answered);
    }

    /// Notes a blob that the client is going to send.
    fn want(&mut self, exchange: &Exchange) {
        let Some(Asked { repository: Some(repository), reference: Some(digest), .. }) = exchange.operation.clone()
        else {
            return;
        };
        let wanted = self.wanted.entry((exchange.server.clone(), repository)).or_default();
        if !wanted.contains(&digest) {
            wanted.push(digest);
        }
    }

    /// What a request is about; none if it is not counted.
    fn subject(&self, exchange: &Exchange, upload: Option<usize>) -> Option<Subject> {
        let asked = exchange.operation.as_ref()?;
        let repository = asked.repository.clone().unwrap_or_default();
        let reference = asked.reference.clone();
        let what = match asked.kind {
            Kind::UploadBegin | Kind::UploadAppend | Kind::UploadFinish | Kind::UploadWhole => {
                What::Blob(reference.or_else(|| self.uploads.digest(upload?)))
            }
            // What could not be mounted is sent.
            Kind::UploadMount if upload.is_some() => What::Blob(reference),
            Kind::UploadMount => What::Other(format!("the mount of {} in {repository}", reference?)),
            Kind::ManifestPut => What::Manifest(reference?, exchange.digest.clone()),
            Kind::Token | Kind::HubLogin => What::Other(format!("the token of {}", exchange.path)),
            kind if kind.reads() => What::Other(format!("{} {}", exchange.method, exchange.path)),
            kind if kind.deletes() => What::Deletion(reference.unwrap_or_default()),
            _ => return None,
        };
        Some(Subject { server: exchange.server.clone(), repository, what })
    }

    /// The operation that a request goes on with, or a new one.
    fn place(&mut self, exchange: &Exchange, mut subject: Subject) -> usize {
        let mut guessed = false;
        if let What::Blob(digest) = &mut subject.what {
            let others = self.waiting_blobs(exchange, &subject.repository).next().is_some();
            let wanted = self.wanted.get_mut(&(subject.server.clone(), subject.repository.clone()));
            if let Some(digest) = digest {
                if let Some(wanted) = wanted {
                    wanted.retain(|other| other != digest);
                }
            } else if let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) {
                // Blobs that are sent side by side need not be sent in the order in which they were asked for.
                guessed = others || wanted.len() > 1;
                *digest = Some(wanted.remove(0));
            } else if let Some(place) = self.guess(exchange, &subject.repository) {
                return place;
            }
        }
        // Two blobs that nothing names are not the same.
        let same = |of: &Operation| of.subject == subject && of.subject.what != What::Blob(None);
        let waiting = self.waiting(exchange, same);
        if let Some((place, _)) = waiting.min_by_key(|(place, of)| (of.state.awaits_since(), *place)) {
            self.operations[place].guessed |= guessed;
            return place;
        }
        let state = State::UnderWay(exchange.began_ms);
        self.operations.push(Operation { subject, tries: Vec::new(), state, guessed });
        self.operations.len() - 1
    }

    /// Of the blobs that wait for another try, the one that was tried least; none if the client does not ask for blobs first.
    fn guess(&mut self, exchange: &Exchange, repository: &str) -> Option<usize> {
        if !self.wanted.contains_key(&(exchange.server.clone(), repository.to_owned())) {
            return None;
        }
        let waiting: Vec<(usize, &Operation)> = self.waiting_blobs(exchange, repository).collect();
        let least = waiting.iter().min_by_key(|(place, of)| (of.tries.len(), of.state.awaits_since(), *place));
        let (place, guessed) = (least?.0, waiting.len() > 1);
        self.operations[place].guessed = guessed;
        Some(place)
    }

    /// The blobs of a repository that await another request, and can have got it with this one.
    fn waiting_blobs(&self, exchange: &Exchange, repository: &str) -> impl Iterator<Item = (usize, &Operation)> {
        self.waiting(exchange, move |of| {
            let Subject { server, repository: other, what } = &of.subject;
            matches!(what, What::Blob(_)) && other == repository && *server == exchange.server
        })
    }

    /// The operations that await another request, and can have got it with this one.
    fn waiting(
        &self,
        exchange: &Exchange,
        about: impl Fn(&Operation) -> bool,
    ) -> impl Iterator<Item = (usize, &Operation)> {
        let now_ms = exchange.began_ms;
        let waits = move |operation: &Operation| operation.state.awaits_since().is_some_and(|since| since <= now_ms);
        self.operations.iter().enumerate().filter(move |(_, operation)| waits(operation) && about(operation))
    }
}

impl Operation {
    fn note(&mut self, index: usize, exchange: &Exchange, answered: Answered) {
        let began_ms = match self.state {
            State::UnderWay(since) => since,
            _ => exchange.began_ms,
        };
        let ended_ms = exchange.ended_ms;
        let refused_token = Failure { permanent: true, retry_after: None };
        let failure = match (answered, self.state) {
            (Answered::Challenge, _) => return,
            (Answered::Onward, _) => {
                self.state = State::UnderWay(began_ms);
                return;
            }
            (Answered::Expired, State::Expired(_)) => Some(refused_token),
            (Answered::Expired, State::Failed(_)) if self.refused_token() => Some(refused_token),
            (Answered::Expired, _) => {
                self.state = State::Expired(ended_ms);
                return;
            }
            (Answered::Failed(failure), _) => Some(failure),
            (Answered::Done, _) => None,
        };
        let guessed = std::mem::take(&mut self.guessed);
        self.tries.push(Try { index, began_ms, ended_ms, guessed, failure });
        self.state = if failure.is_some() { State::Failed(ended_ms) } else { State::Done };
    }

    /// Whether the last try failed because a fresh token was not good either.
    fn refused_token(&self) -> bool {
        self.tries.last().and_then(|last| last.failure).is_some_and(|failure| failure.permanent)
    }
}
