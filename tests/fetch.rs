//! Fetching data sets, from a server in the test itself.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use pathscope::data::{FetchError, PublicData, RemoteFile, fetch, fetch_within};
use sha2::{Digest, Sha256};

/// What was asked for: path and first byte.
type Requests = Arc<Mutex<Vec<(String, usize)>>>;

/// What befalls the first answer for each file.
#[derive(Clone, Copy)]
enum Fault {
    /// The connection breaks off after so many bytes.
    Break(usize),
    /// Nothing more comes after so many bytes.
    Silence(usize),
}

/// Serves `files`.
fn serve(files: HashMap<String, Vec<u8>>, fault: Option<Fault>) -> (String, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let requests = Requests::default();
    let seen = Arc::clone(&requests);
    thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let connection = stream.try_clone().unwrap();
            answer(stream, &files, fault, &seen);
            if let Some(Fault::Silence(_)) = fault {
                silent.push(connection);
            }
        }
    });
    (address, requests)
}

fn answer(
    mut stream: TcpStream,
    files: &HashMap<String, Vec<u8>>,
    fault: Option<Fault>,
    seen: &Requests,
) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let path = first
        .split(' ')
        .nth(1)
        .unwrap()
        .trim_start_matches('/')
        .to_owned();
    let mut from = 0;
    for line in lines {
        let line = line.unwrap().to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(range) = line.strip_prefix("range: bytes=") {
            from = range.trim_end_matches('-').parse().unwrap();
        }
    }
    let mut seen = seen.lock().unwrap();
    let before = seen.iter().filter(|(other, _)| *other == path).count();
    seen.push((path.clone(), from));
    let Some(content) = files.get(&path) else {
        let _ = stream
            .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return;
    };
    let rest = &content[from..];
    let status = if from > 0 {
        "206 Partial Content"
    } else {
        "200 OK"
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        rest.len()
    );
    let sent = match fault {
        Some(Fault::Break(bytes) | Fault::Silence(bytes)) if before == 0 => &rest[..bytes],
        _ => rest,
    };
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(sent);
}

fn remote(base: &str, name: &str, content: &[u8]) -> RemoteFile {
    let sha256 = Sha256::digest(content);
    RemoteFile {
        address: format!("{base}/{name}"),
        name: name.to_owned(),
        bytes: content.len() as u64,
        sha256: sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes)
        .map(|i| ((i * 2_654_435_761) >> 11) as u8)
        .collect()
}

#[test]
fn a_broken_connection_is_taken_up_where_it_ended() {
    let content = noise(300_000);
    let files = HashMap::from([("a.bin".to_owned(), content.clone())]);
    let (base, requests) = serve(files, Some(Fault::Break(120_000)));
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("data");
    let mut last = 0;
    fetch(
        &[remote(&base, "a.bin", &content)],
        &place,
        &|| false,
        &mut |progress| {
            assert!(progress.have >= last && progress.of == 300_000);
            last = progress.have;
        },
    )
    .unwrap();
    assert_eq!(fs::read(place.join("a.bin")).unwrap(), content);
    assert_eq!(last, 300_000);
    let requests = requests.lock().unwrap();
    assert_eq!(requests[0], ("a.bin".to_owned(), 0));
    assert!(requests.len() == 2 && requests[1].1 > 0, "{requests:?}");
}

#[test]
fn a_silent_server_is_asked_again_and_not_waited_for_without_end() {
    let content = noise(300_000);
    let folder = tempfile::tempdir().unwrap();
    let patience = Duration::from_millis(300);
    for (after, arrives) in [(120_000, true), (0, false)] {
        let files = HashMap::from([("a.bin".to_owned(), content.clone())]);
        let (base, requests) = serve(files, Some(Fault::Silence(after)));
        let place = folder.path().join(format!("after {after}"));
        let wanted = [remote(&base, "a.bin", &content)];
        let outcome = fetch_within(&wanted, &place, patience, &|| false, &mut |_| ());
        if arrives {
            outcome.unwrap();
            assert_eq!(fs::read(place.join("a.bin")).unwrap(), content);
            let requests = requests.lock().unwrap();
            assert!(requests.len() == 2 && requests[1].1 > 0, "{requests:?}");
        } else {
            let said = outcome.unwrap_err().to_string();
            assert!(said.contains("nothing has arrived"), "{said}");
        }
    }
    // Whoever asks to stop does not wait for the server either.
    let files = HashMap::from([("a.bin".to_owned(), content.clone())]);
    let (base, _) = serve(files, Some(Fault::Silence(120_000)));
    let wanted = [remote(&base, "a.bin", &content)];
    let (begin, seen) = (Instant::now(), std::cell::Cell::new(0));
    let place = folder.path().join("stopped");
    let stopped = fetch(&wanted, &place, &|| seen.get() > 0, &mut |progress| {
        seen.set(progress.have)
    });
    assert!(
        matches!(stopped, Err(FetchError::Stopped { .. })),
        "{stopped:?}"
    );
    assert!(
        begin.elapsed() < Duration::from_secs(20),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn a_fetch_that_was_stopped_goes_on_later_and_appears_at_once() {
    let (first, second) = (noise(200_000), noise(150_000));
    let files = HashMap::from([
        ("a.bin".to_owned(), first.clone()),
        ("b.bin".to_owned(), second.clone()),
    ]);
    let (base, requests) = serve(files, None);
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("data");
    let wanted = [
        remote(&base, "a.bin", &first),
        remote(&base, "b.bin", &second),
    ];
    let so_far = std::cell::Cell::new(0);
    let stopped = fetch(
        &wanted,
        &place,
        &|| so_far.get() > 50_000,
        &mut |progress| {
            if progress.file == "b.bin" {
                so_far.set(progress.have);
            }
        },
    );
    assert!(
        matches!(stopped, Err(FetchError::Stopped { .. })),
        "{stopped:?}"
    );
    assert!(!place.exists());
    fetch(&wanted, &place, &|| false, &mut |_| ()).unwrap();
    assert_eq!(fs::read(place.join("b.bin")).unwrap(), second);
    assert_eq!(fs::read_dir(&place).unwrap().count(), 2);
    assert!(!folder.path().join("data.partial").exists());
    let requests = requests.lock().unwrap();
    let of = |name: &str| requests.iter().filter(|(path, _)| path == name).count();
    assert_eq!((of("a.bin"), of("b.bin")), (1, 2));
    assert!(requests.last().unwrap().1 > 50_000);
    let again = fetch(&wanted, &place, &|| false, &mut |_| ());
    assert!(matches!(again, Err(FetchError::Taken { .. })));
}

#[test]
fn another_file_than_expected_is_refused_and_removed() {
    let content = noise(10_000);
    let files = HashMap::from([("a.bin".to_owned(), content.clone())]);
    let (base, _) = serve(files, None);
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("data");
    let mut wanted = remote(&base, "a.bin", &content);
    wanted.sha256 = "0".repeat(64);
    let refused = fetch(&[wanted], &place, &|| false, &mut |_| ());
    assert!(
        matches!(refused, Err(FetchError::Checksum { .. })),
        "{refused:?}"
    );
    assert!(!place.exists());
    assert_eq!(
        fs::read_dir(folder.path().join("data.partial"))
            .unwrap()
            .count(),
        0
    );
    let missing = fetch(
        &[remote(&base, "b.bin", &content)],
        &place,
        &|| false,
        &mut |_| (),
    );
    assert!(
        matches!(missing, Err(FetchError::Refused { status: 404, .. })),
        "{missing:?}"
    );
}

#[test]
fn archives_are_unpacked_flat() {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in [
        ("folder/deep/x.bin", &b"pixels"[..]),
        ("folder/y.txt", b"names"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, name, content).unwrap();
    }
    let content = archive.into_inner().unwrap().finish().unwrap();
    let files = HashMap::from([("set.tar.gz".to_owned(), content.clone())]);
    let (base, _) = serve(files, None);
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("data");
    fs::create_dir(&place).unwrap();
    fetch(
        &[remote(&base, "set.tar.gz", &content)],
        &place,
        &|| false,
        &mut |_| (),
    )
    .unwrap();
    let mut names: Vec<_> = fs::read_dir(&place)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["x.bin", "y.txt"]);
    assert_eq!(fs::read(place.join("x.bin")).unwrap(), b"pixels");
}

#[test]
fn without_a_network_the_command_says_so_in_a_sentence() {
    // A port that nobody listens on any more.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("mnist");
    let output = Command::new(assert_cmd::cargo::cargo_bin!("pathscope"))
        .args(["data", "get", "mnist", place.to_str().unwrap(), "--from"])
        .arg(format!("http://127.0.0.1:{port}"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("cannot reach") && said.contains("is there a network?"),
        "{said}"
    );
    assert!(said.contains("train-images-idx3-ubyte.gz") && !place.exists());
}

#[test]
fn official_addresses_and_checksums_are_complete() {
    for set in [
        PublicData::Cifar10,
        PublicData::Cifar100,
        PublicData::Mnist,
        PublicData::FashionMnist,
    ] {
        for file in set.files(None) {
            assert!(file.address.starts_with("http") && file.address.ends_with(&file.name));
            assert!(file.sha256.len() == 64 && file.bytes > 4_000);
        }
        let moved = set.files(Some("http://here/"));
        assert!(moved[0].address.starts_with("http://here/") && !moved[0].address.contains("//c"));
    }
}
