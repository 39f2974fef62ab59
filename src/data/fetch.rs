//! Data sets from their official addresses, in one step into place.

use flate2::read::MultiGzDecoder;
use pathscope_file::sha256_of_file;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

use crate::arrivals::Arrivals;

/// Data sets that can be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum PublicData {
    /// Krizhevsky 2009, 10 classes, binary batches.
    Cifar10,
    /// Krizhevsky 2009, 100 classes, binary batches.
    Cifar100,
    /// LeCun et al. 1998, from the copy of the Common Visual Data Foundation.
    Mnist,
    /// Xiao et al., arXiv 1708.07747.
    FashionMnist,
}

/// A file to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// Where it is.
    pub address: String,
    /// What it is called at its place; a `.tar.gz` is unpacked there.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
}

/// How far a fetch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchProgress<'a> {
    /// The file under way.
    pub file: &'a str,
    /// Bytes of it that are there.
    pub have: u64,
    /// Bytes that it has in all.
    pub of: u64,
}

/// Why a data set could not be fetched.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No answer.
    #[error(
        "cannot reach {address}: {fault}; is there a network? What has arrived is kept in {}, and fetching again goes on from there; a file fetched by hand will do as well",
        staging.display()
    )]
    Unreachable {
        /// What was asked for.
        address: String,
        /// What went wrong.
        fault: String,
        /// Where the parts are.
        staging: PathBuf,
    },
    /// An answer, but not the file.
    #[error("{address} answers with status {status}")]
    Refused {
        /// What was asked for.
        address: String,
        /// The HTTP status.
        status: u16,
    },
    /// Another file than the one expected.
    #[error(
        "{address} is not the file that it should be: its SHA-256 is {found}, not {expected}; it was removed, so that the same command fetches it again"
    )]
    Checksum {
        /// What was fetched.
        address: String,
        /// The checksum that it should have.
        expected: String,
        /// The checksum that it has.
        found: String,
    },
    /// The place is taken.
    #[error("{} is there already and not empty", .0.display())]
    Taken(PathBuf),
    /// A file that cannot be written or read.
    #[error("{}: {fault}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What the system said.
        fault: io::Error,
    },
    /// Somebody asked to stop.
    #[error("what has arrived is kept in {}; the same command goes on from there", .0.display())]
    Stopped(PathBuf),
}

const CIFAR: &str = "https://www.cs.toronto.edu/~kriz";
const MNIST: &str = "https://storage.googleapis.com/cvdf-datasets/mnist";
const FASHION: &str = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com";

/// Names, lengths and checksums, as in the catalogue of TensorFlow Datasets.
const CIFAR_10_FILES: &str = "\
cifar-10-binary.tar.gz 170052171 c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd";
const CIFAR_100_FILES: &str = "\
cifar-100-binary.tar.gz 168513733 58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec";
const MNIST_FILES: &str = "\
train-images-idx3-ubyte.gz 9912422 440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609
train-labels-idx1-ubyte.gz 28881 3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c
t10k-images-idx3-ubyte.gz 1648877 8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6
t10k-labels-idx1-ubyte.gz 4542 f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6";
const FASHION_FILES: &str = "\
train-images-idx3-ubyte.gz 26421880 3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84
train-labels-idx1-ubyte.gz 29515 a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845
t10k-images-idx3-ubyte.gz 4422102 346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073
t10k-labels-idx1-ubyte.gz 5148 67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5";

impl PublicData {
    /// Its files, at their official addresses or below another one.
    #[must_use]
    pub fn files(self, from: Option<&str>) -> Vec<RemoteFile> {
        let (official, files) = match self {
            Self::Cifar10 => (CIFAR, CIFAR_10_FILES),
            Self::Cifar100 => (CIFAR, CIFAR_100_FILES),
            Self::Mnist => (MNIST, MNIST_FILES),
            Self::FashionMnist => (FASHION, FASHION_FILES),
        };
        let base = from.unwrap_or(official).trim_end_matches('/');
        let file = |line: &str| {
            let mut words = line.split_whitespace();
            let (name, bytes) = (words.next()?, words.next()?.parse().ok()?);
            Some(RemoteFile {
                address: format!("{base}/{name}"),
                name: name.to_owned(),
                bytes,
                sha256: words.next()?.to_owned(),
            })
        };
        files.lines().filter_map(file).collect()
    }
}

/// Fetches `files` into `folder`, which appears in one step once all of them are complete and have
/// their checksums. Until then they lie in `folder` with the ending `.partial`, from where a later
/// call goes on.
///
/// # Errors
/// No network, another file than expected, a folder that is taken, or a request to stop.
pub fn fetch(
    files: &[RemoteFile],
    folder: &Path,
    stop: &dyn Fn() -> bool,
    progress: &mut dyn FnMut(FetchProgress<'_>),
) -> Result<(), FetchError> {
    fetch_within(files, folder, PATIENCE, stop, progress)
}

/// As [`fetch`], from a server that may be silent for `patience` before it is asked again.
///
/// # Errors
/// As [`fetch`].
pub fn fetch_within(
    files: &[RemoteFile],
    folder: &Path,
    patience: Duration,
    stop: &dyn Fn() -> bool,
    progress: &mut dyn FnMut(FetchProgress<'_>),
) -> Result<(), FetchError> {
    if folder.exists() && fs::read_dir(folder).map_err(at(folder))?.next().is_some() {
        return Err(FetchError::Taken(folder.to_owned()));
    }
    let mut staging = folder.as_os_str().to_owned();
    staging.push(".partial");
    let staging = PathBuf::from(staging);
    fs::create_dir_all(&staging).map_err(at(&staging))?;
    for file in files {
        let arrived = staging.join(&file.name);
        if !arrived.exists() {
            Download {
                file,
                staging: &staging,
                patience,
                stop,
            }
            .run(progress)?;
        }
    }
    for file in files.iter().filter(|file| file.name.ends_with(".tar.gz")) {
        let archive = staging.join(&file.name);
        unpack(&archive, &staging).map_err(at(&archive))?;
        fs::remove_file(&archive).map_err(at(&archive))?;
    }
    if folder.exists() {
        fs::remove_dir(folder).map_err(at(folder))?;
    }
    fs::rename(&staging, folder).map_err(at(folder))
}

/// Times that a connection which breaks off is taken up again.
const ATTEMPTS: usize = 5;
/// Time without a byte after which a connection counts as broken.
const PATIENCE: Duration = Duration::from_secs(30);

struct Download<'a> {
    file: &'a RemoteFile,
    staging: &'a Path,
    patience: Duration,
    stop: &'a dyn Fn() -> bool,
}

impl Download<'_> {
    fn run(&self, progress: &mut dyn FnMut(FetchProgress<'_>)) -> Result<(), FetchError> {
        let file = self.file;
        let part = self.staging.join(format!("{}.download", file.name));
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(self.patience))
            .http_status_as_error(false)
            .user_agent(concat!("pathscope/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        let mut attempts = 0;
        loop {
            let before = length(&part)?;
            if before >= file.bytes {
                break;
            }
            match self.receive(&agent, &part, progress) {
                Ok(()) if length(&part)? >= file.bytes => break,
                Ok(()) => {}
                Err(Interruption::Lasting(error)) => return Err(error),
                Err(Interruption::Passing(fault)) => {
                    attempts = match length(&part)? > before {
                        true => 0,
                        false => attempts + 1,
                    };
                    if attempts >= ATTEMPTS || before == length(&part)? && before == 0 {
                        return Err(self.unreachable(fault));
                    }
                    continue;
                }
            }
            attempts += 1;
            if attempts >= ATTEMPTS {
                return Err(self.unreachable(format!(
                    "it ends after {} of {} bytes",
                    length(&part)?,
                    file.bytes
                )));
            }
        }
        let found = sha256_of_file(&part).map_err(at(&part))?;
        if found != file.sha256 {
            fs::remove_file(&part).map_err(at(&part))?;
            return Err(FetchError::Checksum {
                address: file.address.clone(),
                expected: file.sha256.clone(),
                found,
            });
        }
        fs::rename(&part, self.staging.join(&file.name)).map_err(at(&part))
    }

    /// Asks for what is missing, and writes it as it comes.
    fn receive(
        &self,
        agent: &ureq::Agent,
        part: &Path,
        progress: &mut dyn FnMut(FetchProgress<'_>),
    ) -> Result<(), Interruption> {
        let file = self.file;
        let mut have = length(part)?;
        let mut request = agent.get(&file.address);
        if have > 0 {
            request = request.header("Range", format!("bytes={have}-"));
        }
        let response = request
            .call()
            .map_err(|fault| Interruption::Passing(fault.to_string()))?;
        let continues = match response.status().as_u16() {
            206 => true,
            200 => false,
            status => {
                let address = file.address.clone();
                return Err(FetchError::Refused { address, status }.into());
            }
        };
        if !continues {
            have = 0;
        }
        let mut out = OpenOptions::new()
            .create(true)
            .write(true)
            .append(continues)
            .truncate(!continues)
            .open(part)
            .map_err(at(part))?;
        let arrivals = Arrivals::of(response.into_body().into_reader(), self.patience);
        loop {
            let arrived = arrivals.next(self.stop);
            let bytes = match arrived.map_err(|fault| Interruption::Passing(fault.to_string()))? {
                None => return Err(FetchError::Stopped(self.staging.to_owned()).into()),
                Some(bytes) if bytes.is_empty() => return Ok(()),
                Some(bytes) => bytes,
            };
            let read = bytes.len();
            have += read as u64;
            // More than the file has is no part of it: the checksum will tell.
            if have > file.bytes {
                let surplus = usize::try_from(have - file.bytes).unwrap_or(read).min(read);
                out.write_all(bytes.get(..=read - surplus).unwrap_or(&bytes))
                    .map_err(at(part))?;
                return Ok(());
            }
            out.write_all(&bytes).map_err(at(part))?;
            progress(FetchProgress {
                file: &file.name,
                have,
                of: file.bytes,
            });
        }
    }

    fn unreachable(&self, fault: String) -> FetchError {
        FetchError::Unreachable {
            address: self.file.address.clone(),
            fault,
            staging: self.staging.to_owned(),
        }
    }
}

/// Why a connection ended early.
enum Interruption {
    /// Worth another attempt.
    Passing(String),
    /// Not worth one.
    Lasting(FetchError),
}

impl From<FetchError> for Interruption {
    fn from(error: FetchError) -> Self {
        Self::Lasting(error)
    }
}

fn length(part: &Path) -> Result<u64, FetchError> {
    match fs::metadata(part) {
        Ok(metadata) => Ok(metadata.len()),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(fault) => Err(at(part)(fault)),
    }
}

/// Unpacks the plain files of an archive beside each other; folders in it are left out.
fn unpack(archive: &Path, folder: &Path) -> io::Result<()> {
    let mut archive = tar::Archive::new(MultiGzDecoder::new(BufReader::new(File::open(archive)?)));
    for entry in archive.entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = entry.path()?.file_name().map(ToOwned::to_owned);
        if let Some(name) = name {
            io::copy(&mut entry, &mut File::create(folder.join(name))?)?;
        }
    }
    Ok(())
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> FetchError + use<> {
    let file = path.to_owned();
    move |fault| FetchError::File { file, fault }
}
