//! Against a listener that plays the server's part from a script: ways to log in that the lab does not ask for, and rules broken.

use super::{PATIENCE, config, end, refusal, start};
use crate::config::Config;
use postgres_protocol::authentication::md5_hash;
use tidelock_endpoint::{ErrorKind, TlsMode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the imposter does, one after another.
#[derive(Clone)]
enum Act {
    /// Reads a message without a tag: the request for TLS, or the start-up.
    Hear,
    /// Reads a message with this tag.
    Take(u8),
    Say(Vec<u8>),
}
use Act::{Hear, Say, Take};

fn framed(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag], &(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
}

fn asks(number: u32, rest: &[u8]) -> Act {
    Say(framed(b'R', &[&number.to_be_bytes(), rest].concat()))
}

/// A script's beginning and end: nobody must log in.
fn after_login(acts: &[Act]) -> Vec<Act> {
    let ready = || Say(framed(b'Z', b"I"));
    let started = Say(framed(b'W', &[0, 0, 0]));
    [&[Hear, asks(0, &[]), ready(), Take(b'Q'), started], acts].concat()
}

/// Plays a script to one caller; gives back what it was told.
async fn imposter(script: Vec<Act>) -> (Config, JoinHandle<Vec<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = config(&format!("postgres://sync:secret@127.0.0.1:{port}/shop?sslmode=disable"));
    let play = tokio::spawn(async move {
        let (mut wire, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        for act in script {
            match act {
                Hear => heard.push(body(&mut wire).await),
                Take(tag) => {
                    assert_eq!(wire.read_u8().await.unwrap(), tag);
                    heard.push(body(&mut wire).await);
                }
                Say(bytes) => wire.write_all(&bytes).await.unwrap(),
            }
        }
        // Not closed before the other side is done with it.
        let mut rest = Vec::new();
        let _ = wire.read_to_end(&mut rest).await;
        heard
    });
    (config, play)
}

async fn body(wire: &mut TcpStream) -> Vec<u8> {
    let length = wire.read_u32().await.unwrap();
    let mut body = vec![0; length as usize - 4];
    wire.read_exact(&mut body).await.unwrap();
    body
}

/// The error of a login by this script.
async fn login(script: &[Act]) -> tidelock_endpoint::EndpointError {
    let (config, _play) = imposter(script.to_vec()).await;
    refusal(&config, "s").await
}

#[tokio::test]
async fn md5_and_clear_text_passwords_are_given_when_asked() {
    let refuse = Say(framed(b'E', b"SFATAL\0C28P01\0Mno\0\0"));
    let md5 = format!("{}\0", md5_hash(b"sync", b"secret", *b"salt")).into_bytes();
    for (ask, expected) in [(asks(5, b"salt"), md5), (asks(3, b""), b"secret\0".to_vec())] {
        let (config, play) = imposter(vec![Hear, ask, Take(b'p'), refuse.clone()]).await;
        let error = refusal(&config, "s").await;
        assert_eq!(error.kind, ErrorKind::Authentication, "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
        assert_eq!(play.await.unwrap()[1], expected);
    }
}

#[tokio::test]
async fn the_session_is_pinned_and_in_replication_mode() {
    let (config, play) = imposter(vec![Hear, asks(7, &[])]).await;
    let error = refusal(&config, "s").await;
    assert_eq!(error.kind, ErrorKind::Authentication, "{error}");
    let told = String::from_utf8(play.await.unwrap().remove(0)[4..].to_vec()).unwrap();
    for part in [
        "user\0sync\0",
        "database\0shop\0",
        "replication\0database\0",
        "-c datestyle=ISO,YMD",
        "-c timezone=UTC",
    ] {
        assert!(told.contains(part), "{told:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_prove_that_it_knows_the_password_is_refused() {
    let offer = asks(10, b"SCRAM-SHA-256\0\0");
    let error = login(&[Hear, offer.clone(), Take(b'p'), asks(0, &[])]).await;
    assert_eq!(error.kind, ErrorKind::Protocol, "{error}");
    let error = login(&[Hear, offer, Take(b'p'), asks(11, b"r=other,s=AAAA,i=4096")]).await;
    assert_eq!(error.kind, ErrorKind::Authentication, "{error}");
    let error = login(&[Hear, asks(10, b"OTHER\0\0")]).await;
    assert_eq!(error.kind, ErrorKind::Authentication, "{error}");
}

#[tokio::test]
async fn without_tls_at_the_server_prefer_goes_on_and_all_others_stop() {
    for mode in [TlsMode::Prefer, TlsMode::Require, TlsMode::VerifyFull] {
        let go_on = if mode == TlsMode::Prefer { vec![Hear, asks(7, &[])] } else { Vec::new() };
        let (mut config, _play) = imposter([vec![Hear, Say(b"N".to_vec())], go_on].concat()).await;
        config.tls.mode = mode;
        let error = refusal(&config, "s").await;
        let code = if mode == TlsMode::Prefer { "TL-PG-AUTHENTICATION" } else { "TL-PG-TLS" };
        assert_eq!((error.kind, error.code), (ErrorKind::Authentication, code), "{mode:?}: {error}");
    }
}

#[tokio::test]
async fn frames_that_break_the_rules_end_the_login() {
    for (nonsense, kind) in [
        (vec![b'R', 0, 0, 0, 3], ErrorKind::Protocol),
        (vec![b'R', 0xff, 0xff, 0xff, 0xff], ErrorKind::Protocol),
        (vec![b'R', 0x40, 0, 0, 1], ErrorKind::Protocol),
        (framed(b'R', &[0, 0]), ErrorKind::Protocol),
        (framed(b'R', &[0, 0, 0, 5, 1]), ErrorKind::Protocol),
        (framed(b'D', &[]), ErrorKind::Protocol),
        (framed(b'E', b"C57P03\0Mstarting\0\0"), ErrorKind::Unavailable),
        (framed(b'E', b""), ErrorKind::Protocol),
        (framed(b'E', b"\xff\xff"), ErrorKind::Protocol),
    ] {
        let error = login(&[Hear, Say(nonsense.clone())]).await;
        assert_eq!(error.kind, kind, "{nonsense:?}: {error}");
    }
}

#[tokio::test]
async fn frames_that_break_the_rules_end_the_stream() {
    for (nonsense, kind) in [
        (framed(b'd', b""), ErrorKind::Protocol),
        (framed(b'd', b"wshort"), ErrorKind::Protocol),
        (framed(b'd', b"kshort"), ErrorKind::Protocol),
        (framed(b'd', b"?"), ErrorKind::Protocol),
        (framed(b'?', b""), ErrorKind::Protocol),
        (vec![b'd', 0, 0, 0, 0], ErrorKind::Protocol),
        (vec![b'd', 0x80, 0, 0, 0], ErrorKind::Protocol),
        (framed(b'c', b""), ErrorKind::Unavailable),
        (framed(b'C', b"COPY 0\0"), ErrorKind::Unavailable),
        (
            framed(b'E', b"C58P01\0Mrequested WAL segment has already been removed\0\0"),
            ErrorKind::PositionLost,
        ),
    ] {
        // What came whole before is handed out.
        let before = framed(b'd', &[&b"w"[..], &[0; 24], b"message"].concat());
        let notice = framed(b'N', b"Mhm\0\0");
        let (config, _play) =
            imposter(after_login(&[Say([before, notice, nonsense.clone()].concat())])).await;
        let mut feed = start(&config, "s").await.unwrap();
        let first = feed.next().await.unwrap();
        assert!(matches!(&first[..], [super::super::Frame::Message(bytes)] if &bytes[..] == b"message"));
        let error = end(&mut feed).await;
        assert_eq!(error.kind, kind, "{nonsense:?}: {error}");
    }
}

#[tokio::test]
async fn a_status_is_sent_whenever_the_server_asks() {
    // More often than the feed would tell by itself within our patience.
    const TIMES: usize = 100;
    let asking = framed(b'd', &[&b"k"[..], &[0; 16], &[1]].concat());
    let acts = vec![[Say(asking), Take(b'd')]; TIMES].concat();
    let (config, play) = imposter(after_login(&[&acts[..], &[Say(framed(b'c', b""))]].concat())).await;
    let mut feed = start(&config, "s").await.unwrap();
    tokio::time::timeout(PATIENCE, end(&mut feed)).await.expect("no status");
    drop(feed);
    let heard = play.await.unwrap();
    assert_eq!((heard[2][0], heard[2].len(), heard.len()), (b'r', 34, TIMES + 2));
}
