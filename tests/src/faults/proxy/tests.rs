//! The proxy against a server that sends back what it hears.

use super::*;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener as Listener, TcpStream as Stream};
use std::thread;
use std::time::Instant;

const SOON: Duration = Duration::from_secs(20);

/// Long enough to see that nothing comes.
const NOTHING: Duration = Duration::from_millis(200);

fn echo() -> u16 {
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                let (mut from, mut to) = (stream.try_clone().unwrap(), stream);
                while let Ok(read @ 1..) = from.read(&mut buffer) {
                    if to.write_all(&buffer[..read]).is_err() {
                        break;
                    }
                }
            });
        }
    });
    port
}

fn linked() -> (Proxy, Stream) {
    let proxy = Proxy::to(echo()).unwrap();
    let stream = connect(&proxy).unwrap();
    (proxy, stream)
}

fn connect(proxy: &Proxy) -> io::Result<Stream> {
    let stream = Stream::connect((Ipv4Addr::LOCALHOST, proxy.port))?;
    stream.set_read_timeout(Some(SOON))?;
    Ok(stream)
}

fn say(stream: &mut Stream, text: &str) -> io::Result<String> {
    stream.write_all(text.as_bytes())?;
    let mut heard = vec![0; text.len()];
    stream.read_exact(&mut heard)?;
    Ok(String::from_utf8(heard).unwrap())
}

#[test]
fn a_healthy_link_carries_both_ways_and_counts() {
    let (proxy, mut stream) = linked();
    assert_eq!(say(&mut stream, "hello").unwrap(), "hello");
    // A piece is counted when it is on its way, and the client may have read it before.
    let counted = || {
        let counts = proxy.counts();
        let seen = (counts.connections, counts.to_target, counts.to_client);
        Seen::when(seen == (1, 5, 5), (), format!("{seen:?}"))
    };
    wait_for("both ways to be counted", SOON, counted).unwrap();
    drop(stream);
    wait_for("the connection to be closed", SOON, || Seen::when(proxy.counts().open == 0, (), "open")).unwrap();
}

#[test]
fn a_cut_link_closes_what_is_there_and_refuses_what_comes_until_it_is_healed() {
    let (proxy, mut stream) = linked();
    say(&mut stream, "hello").unwrap();
    proxy.cut();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    assert_eq!(connect(&proxy).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    proxy.heal();
    assert_eq!(say(&mut connect(&proxy).unwrap(), "again").unwrap(), "again");
}

#[test]
fn a_reset_is_read_as_an_error() {
    let (proxy, mut stream) = linked();
    say(&mut stream, "hello").unwrap();
    proxy.ending(Ending::Reset);
    proxy.cut_once();
    assert_eq!(stream.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(say(&mut connect(&proxy).unwrap(), "again").unwrap(), "again");
}

#[test]
fn a_link_that_refuses_keeps_what_is_there() {
    let (proxy, mut stream) = linked();
    say(&mut stream, "hello").unwrap();
    proxy.refuse();
    assert!(connect(&proxy).is_err());
    assert_eq!(say(&mut stream, "still").unwrap(), "still");
}

#[test]
fn a_half_open_link_is_silent_and_its_connections_stay_so() {
    let (proxy, mut old) = linked();
    say(&mut old, "hello").unwrap();
    proxy.half_open();
    let mut new = connect(&proxy).unwrap();
    for stream in [&mut old, &mut new] {
        stream.set_read_timeout(Some(NOTHING)).unwrap();
        let error = say(stream, "lost").unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    }
    proxy.heal();
    assert!(say(&mut old, "lost").is_err());
    assert_eq!(say(&mut connect(&proxy).unwrap(), "again").unwrap(), "again");
    assert_eq!(proxy.counts().swallowed, 12);
}

#[test]
fn a_frozen_link_loses_nothing() {
    let (proxy, mut stream) = linked();
    proxy.freeze();
    stream.write_all(b"held").unwrap();
    stream.set_read_timeout(Some(NOTHING)).unwrap();
    let mut heard = [0; 4];
    assert!(stream.read_exact(&mut heard).is_err());
    proxy.heal();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"held");
}

#[test]
fn a_connection_is_cut_at_the_byte_that_was_said() {
    let proxy = Proxy::to(echo()).unwrap();
    proxy.cut_after(10, Direction::ToClient);
    for _ in 0..2 {
        let mut stream = connect(&proxy).unwrap();
        stream.write_all(&[7; 100]).unwrap();
        let mut heard = Vec::new();
        // An error where the rest of what was sent is not read any more.
        let _ = stream.read_to_end(&mut heard);
        assert_eq!(heard.len(), 10);
    }
    assert_eq!(proxy.counts().to_client, 20);
}

#[test]
fn a_slow_link_takes_its_time() {
    let (proxy, mut stream) = linked();
    proxy.slow(1_000);
    let begun = Instant::now();
    say(&mut stream, &"x".repeat(300)).unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(280), "{:?}", begun.elapsed());
}

#[test]
fn a_delayed_link_hands_everything_on_later() {
    let (proxy, mut stream) = linked();
    proxy.delay(Duration::from_millis(100));
    let begun = Instant::now();
    assert_eq!(say(&mut stream, "late").unwrap(), "late");
    assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
}
