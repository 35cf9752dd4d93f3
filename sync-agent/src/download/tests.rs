use super::*;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const LIMITS: DownloadLimits = DownloadLimits {
    connect: Duration::from_secs(5),
    idle: Duration::from_millis(500),
    max_idle_tries: 4,
    total: Duration::from_secs(30),
    first_wait: Duration::from_millis(1),
    max_wait: Duration::from_millis(20),
};

/// What a stub answers to the next request: the bytes, then it closes the line, or holds it.
enum Reply {
    Bytes(Vec<u8>),
    Hold(Vec<u8>),
}

fn reply(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn whole(body: &[u8]) -> Reply {
    Reply::Bytes(reply("200 OK", &format!("ETag: \"e\"\r\nContent-Length: {}\r\n", body.len()), body))
}

fn status(line: &str) -> Reply {
    Reply::Bytes(reply(line, "Content-Length: 0\r\n", b""))
}

/// A server that gives these replies, one a connection, and then no more.
struct Stub {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/packages/x.twp", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&requests);
        tokio::spawn(async move {
            let mut held = Vec::new();
            for reply in replies {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                heard.lock().unwrap().push(String::from_utf8(request).unwrap().to_ascii_lowercase());
                match reply {
                    Reply::Bytes(bytes) => stream.write_all(&bytes).await.unwrap(),
                    Reply::Hold(bytes) => {
                        stream.write_all(&bytes).await.unwrap();
                        held.push(stream);
                    }
                }
            }
            std::future::pending::<()>().await;
        });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

struct Case {
    one_at_a_time: Arc<tokio::sync::Mutex<()>>,
    folder: tempfile::TempDir,
    body: Vec<u8>,
    name: PackageName,
}

impl Case {
    fn new() -> Self {
        let body: Vec<u8> = (0..50_000_u32).flat_map(u32::to_le_bytes).collect();
        let name = PackageName::from_hash(*blake3::hash(&body).as_bytes());
        Self { one_at_a_time: Arc::default(), folder: tempfile::tempdir().unwrap(), body, name }
    }

    fn downloader(&self) -> Downloader {
        Downloader::new(self.folder.path().to_owned(), LIMITS, Arc::clone(&self.one_at_a_time), &Trust::default())
            .unwrap()
    }

    async fn fetch(&self, stub: &Stub) -> Result<PathBuf, DownloadError> {
        self.downloader().fetch(&stub.url, None, &self.name, self.body.len() as u64).await
    }

    fn part(&self) -> PathBuf {
        self.folder.path().join(format!("{}.part", self.name.file_name()))
    }

    async fn arrives(&self, stub: &Stub) {
        let file = self.fetch(stub).await.unwrap();
        assert_eq!(fs::read(file).unwrap(), self.body);
        assert!(!self.part().exists());
    }
}

#[tokio::test]
async fn a_whole_file_arrives_and_other_files_go() {
    let case = Case::new();
    fs::write(case.folder.path().join("old.twp.part"), "old").unwrap();
    case.arrives(&Stub::start(vec![whole(&case.body)]).await).await;
    assert!(!case.folder.path().join("old.twp.part").exists());
}

#[tokio::test]
async fn a_download_that_was_cut_goes_on_where_it_broke_off() {
    let case = Case::new();
    let (first, rest) = case.body.split_at(70_000);
    let head = format!("ETag: \"e\"\r\nContent-Length: {}\r\n", case.body.len());
    let tail = format!("ETag: \"e\"\r\nContent-Length: {}\r\n", rest.len());
    let stub = Stub::start(vec![
        Reply::Bytes(reply("200 OK", &head, first)),
        Reply::Bytes(reply("206 Partial Content", &tail, rest)),
    ])
    .await;
    case.arrives(&stub).await;
    let second = &stub.requests()[1];
    assert!(second.contains("range: bytes=70000-") && second.contains("if-range: \"e\""), "{second}");
}

#[tokio::test]
async fn a_part_left_by_a_dead_agent_is_rehashed_and_goes_on() {
    let case = Case::new();
    fs::write(case.part(), &case.body[..1000]).unwrap();
    let rest = &case.body[1000..];
    let tail = format!("Content-Length: {}\r\n", rest.len());
    let stub = Stub::start(vec![Reply::Bytes(reply("206 Partial Content", &tail, rest))]).await;
    case.arrives(&stub).await;
    assert!(stub.requests()[0].contains("range: bytes=1000-"));
}

#[tokio::test]
async fn a_damaged_part_costs_one_more_download() {
    let case = Case::new();
    fs::write(case.part(), vec![0; case.body.len()]).unwrap();
    case.arrives(&Stub::start(vec![whole(&case.body)]).await).await;
}

#[tokio::test]
async fn a_part_that_is_longer_than_the_file_is_thrown_away() {
    let case = Case::new();
    fs::write(case.part(), vec![0; case.body.len() + 1]).unwrap();
    let stub = Stub::start(vec![status("416 Range Not Satisfiable"), whole(&case.body)]).await;
    case.arrives(&stub).await;
}

#[tokio::test]
async fn a_server_that_knows_no_ranges_sends_all_of_it_again() {
    let case = Case::new();
    fs::write(case.part(), &case.body[..1000]).unwrap();
    case.arrives(&Stub::start(vec![whole(&case.body)]).await).await;
}

#[tokio::test]
async fn a_dead_link_is_asked_once() {
    for line in ["404 Not Found", "403 Forbidden", "410 Gone"] {
        let case = Case::new();
        let stub = Stub::start(vec![status(line), status(line)]).await;
        assert!(matches!(case.fetch(&stub).await, Err(DownloadError::Gone { .. })), "{line}");
        assert_eq!(stub.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_busy_server_is_asked_again_a_bounded_number_of_times() {
    let case = Case::new();
    let busy = || Reply::Bytes(reply("503 Service Unavailable", "Retry-After: 1\r\nContent-Length: 0\r\n", b""));
    case.arrives(&Stub::start(vec![busy(), status("500 Internal Server Error"), whole(&case.body)]).await).await;
    let case = Case::new();
    let stub = Stub::start((0..10).map(|_| busy()).collect()).await;
    let error = case.fetch(&stub).await.unwrap_err();
    assert!(matches!(&error, DownloadError::GivenUp { tries: 4, last, .. } if last.contains("503")), "{error}");
}

#[tokio::test]
async fn a_wrong_hash_is_not_kept() {
    let case = Case::new();
    let mut wrong = case.body.clone();
    wrong[17] ^= 1;
    let stub = Stub::start(vec![whole(&wrong), whole(&wrong)]).await;
    assert!(matches!(case.fetch(&stub).await, Err(DownloadError::WrongHash { .. })));
    assert_eq!(fs::read_dir(case.folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_body_without_end_is_cut_at_the_announced_length() {
    let case = Case::new();
    let mut endless = case.body.clone();
    endless.extend_from_slice(&[0; 4096]);
    let stub = Stub::start(vec![Reply::Bytes(reply("200 OK", "", &endless))]).await;
    assert!(matches!(case.fetch(&stub).await, Err(DownloadError::TooLong { .. })));
    assert_eq!(fs::read_dir(case.folder.path()).unwrap().count(), 0);
    let announced = format!("Content-Length: {}\r\n", endless.len());
    let stub = Stub::start(vec![Reply::Bytes(reply("200 OK", &announced, &endless))]).await;
    assert!(matches!(case.fetch(&stub).await, Err(DownloadError::TooLong { .. })));
}

#[tokio::test]
async fn a_line_that_hangs_counts_as_cut() {
    let case = Case::new();
    let (first, rest) = case.body.split_at(5_000);
    let head = format!("Content-Length: {}\r\n", case.body.len());
    let tail = format!("Content-Length: {}\r\n", rest.len());
    let stub = Stub::start(vec![
        Reply::Hold(reply("200 OK", &head, first)),
        Reply::Bytes(reply("206 Partial Content", &tail, rest)),
    ])
    .await;
    case.arrives(&stub).await;
}

#[tokio::test]
async fn a_download_that_begins_waits_for_what_a_given_up_one_still_writes() {
    let case = Case::new();
    fs::write(case.part(), &case.body[..1000]).unwrap();
    // As a write on its own thread holds it, after the download was dropped.
    let writing = Arc::clone(&case.one_at_a_time).lock_owned().await;
    let stub = Stub::start(vec![Reply::Bytes(reply("206 Partial Content", "", &case.body[2000..]))]).await;
    let mut arrives = std::pin::pin!(case.arrives(&stub));
    assert!(futures_util::poll!(arrives.as_mut()).is_pending());
    fs::write(case.part(), &case.body[..2000]).unwrap();
    drop(writing);
    arrives.await;
    assert!(stub.requests()[0].contains("range: bytes=2000-"));
}

#[tokio::test]
async fn retry_after_of_a_day_is_not_waited_for() {
    let case = Case::new();
    let busy = Reply::Bytes(reply("503 Service Unavailable", "Retry-After: 86400\r\nContent-Length: 0\r\n", b""));
    let dated = "Retry-After: Wed, 21 Oct 2099 07:28:00 GMT\r\nContent-Length: 0\r\n";
    let dated = Reply::Bytes(reply("503 Service Unavailable", dated, b""));
    case.arrives(&Stub::start(vec![busy, dated, whole(&case.body)]).await).await;
}

#[tokio::test]
async fn a_content_length_that_is_wrong_does_no_harm() {
    let case = Case::new();
    // Less than announced: the file is taken for cut, and the rest asked for.
    let head = "Content-Length: 70000\r\n";
    let stub = Stub::start(vec![
        Reply::Bytes(reply("200 OK", head, &case.body)),
        Reply::Bytes(reply("206 Partial Content", "", &case.body[70_000..])),
    ])
    .await;
    case.arrives(&stub).await;
    // More than comes.
    let stub = Stub::start(vec![Reply::Bytes(reply("200 OK", "Content-Length: 99999999\r\n", &case.body))]).await;
    let case = Case::new();
    assert!(matches!(case.fetch(&stub).await, Err(DownloadError::TooLong { .. })));
}

#[tokio::test]
async fn a_chunked_body_without_end_is_cut_at_the_announced_length() {
    let case = Case::new();
    let mut body = Vec::new();
    let endless = vec![0; 1_000_000];
    for piece in case.body.chunks(50_000).chain(endless.chunks(50_000)) {
        body.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        body.extend_from_slice(piece);
        body.extend_from_slice(b"\r\n");
    }
    let stub = Stub::start(vec![Reply::Hold(reply("200 OK", "Transfer-Encoding: chunked\r\n", &body))]).await;
    assert!(matches!(case.fetch(&stub).await, Err(DownloadError::TooLong { .. })));
    assert_eq!(fs::read_dir(case.folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_rest_from_another_place_than_was_asked_for_is_noticed_by_the_hash() {
    let case = Case::new();
    fs::write(case.part(), &case.body[..1000]).unwrap();
    let wrong = &case.body[..case.body.len() - 1000];
    let stub = Stub::start(vec![Reply::Bytes(reply("206 Partial Content", "", wrong)), whole(&case.body)]).await;
    case.arrives(&stub).await;
}

#[tokio::test]
async fn redirects_in_a_circle_end() {
    let case = Case::new();
    let circle = || Reply::Bytes(reply("302 Found", "Location: /packages/x.twp\r\nContent-Length: 0\r\n", b""));
    let stub = Stub::start((0..100).map(|_| circle()).collect()).await;
    assert!(case.fetch(&stub).await.is_err());
    let asked = stub.requests().len();
    assert!(asked <= (MAX_REDIRECTS + 1) * LIMITS.max_idle_tries as usize, "{asked}");
}

#[tokio::test]
async fn a_body_that_drips_ends_with_the_time_for_all_of_it_and_what_came_is_kept() {
    let case = Case::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stub = Stub { url: format!("http://{}/x", listener.local_addr().unwrap()), requests: Arc::default() };
    let body = case.body.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(&reply("200 OK", &format!("Content-Length: {}\r\n", body.len()), b"")).await;
            for byte in &body {
                // A byte now and then: never idle, and never done.
                tokio::time::sleep(Duration::from_millis(20)).await;
                if stream.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
        }
    });
    let limits = DownloadLimits { total: Duration::from_millis(300), ..LIMITS };
    let downloader = Downloader::new(case.folder.path().to_owned(), limits, Arc::default(), &Trust::default()).unwrap();
    let error = downloader.fetch(&stub.url, None, &case.name, case.body.len() as u64).await.unwrap_err();
    assert!(matches!(error, DownloadError::GivenUp { .. }), "{error}");
    assert!(case.part().exists());
}

#[tokio::test]
async fn the_token_goes_to_the_address_that_was_named_and_to_no_other() {
    let case = Case::new();
    let other = Stub::start(vec![whole(&case.body)]).await;
    let leads = format!("Location: {}\r\nContent-Length: 0\r\n", other.url);
    let own = Stub::start(vec![Reply::Bytes(reply("307 Temporary Redirect", &leads, b""))]).await;
    let url = format!("{}?code=7", own.url);
    let file = case.downloader().fetch(&url, Some("s3cret"), &case.name, case.body.len() as u64).await.unwrap();
    assert_eq!(fs::read(file).unwrap(), case.body);
    let (own, other) = (own.requests().concat(), other.requests().concat());
    assert!(own.contains("authorization: bearer s3cret") && own.contains("code=7"), "{own}");
    assert!(!other.contains("authorization") && !other.contains("s3cret"), "{other}");
}

#[tokio::test]
async fn what_opens_a_package_is_told_to_nobody() {
    let case = Case::new();
    let stub = Stub::start(vec![status("410 Gone")]).await;
    let url = format!("{}?code=0ffee", stub.url);
    let gone = case.downloader().fetch(&url, Some("s3cret"), &case.name, 7).await.unwrap_err();
    let nobody = "http://127.0.0.1:9/packages/x.twp?code=0ffee";
    let given_up = case.downloader().fetch(nobody, Some("s3cret"), &case.name, 7).await.unwrap_err();
    for error in [gone, given_up] {
        let told = crate::error::chain(&error);
        assert!(!told.contains("0ffee") && !told.contains("s3cret") && told.contains("x.twp"), "{told}");
    }
}
