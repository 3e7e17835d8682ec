//! A connection in replication mode: TCP, TLS, start-up, and the frames of the wire.
//!
//! A frame is a tag, a length and a body; all that the server sends is framed here, and whole. What it complains of becomes an error at the one
//! place where its complaint is read.

use super::auth;
use crate::Result;
use crate::config::Config;
use crate::connect::{PINNED, SILENCE};
use crate::error::{Said, from_io, from_server, protocol, tls as tls_fault};
use crate::names::{literal, quoted};
use crate::position::Lsn;
use crate::tls;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::FutureExt;
use postgres_protocol::message::frontend;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tidelock_endpoint::{EndpointError, ErrorKind, TlsMode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// From the first packet until the server takes commands.
const CONNECTING: Duration = Duration::from_secs(15);
/// Until it answers a command.
const ANSWERING: Duration = Duration::from_secs(60);
/// What is read at once.
const CHUNK: usize = 256 * 1024;
/// Who reads less than this at once reads as fast as it comes.
const SCRAP: usize = 1024;
/// Longer than any message that a server can send.
const LONGEST: usize = 1 << 30;

/// TCP, or TLS over it.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A message of the server: its tag and its body.
pub(super) type Framed = (u8, Bytes);

pub(super) struct Connection {
    wire: Box<dyn Wire>,
    /// What has come and was not taken yet.
    input: BytesMut,
    /// The end of the connection, found behind what has come.
    end: Option<io::Error>,
    /// For messages: what is being done.
    doing: String,
    version: u32,
}

impl Connection {
    /// Connects in the database's replication mode.
    pub async fn open(config: &Config) -> Result<Connection> {
        let doing = format!("connecting to {} for replication", config.place());
        match timeout(CONNECTING, Connection::dial(config, doing.clone())).await {
            Ok(opened) => opened,
            Err(_) => Err(unavailable(format!("{doing}: no answer within {} s", CONNECTING.as_secs()))),
        }
    }

    async fn dial(config: &Config, doing: String) -> Result<Connection> {
        let failed = |e: io::Error| from_io(&doing, &e);
        let tcp = TcpStream::connect((config.host.as_str(), config.port)).await.map_err(failed)?;
        tcp.set_nodelay(true).map_err(failed)?;
        // We send twice a second: a host that vanished without a word is found out by what it never confirms.
        #[cfg(target_os = "linux")]
        socket2::SockRef::from(&tcp).set_tcp_user_timeout(Some(SILENCE)).map_err(failed)?;
        let (wire, binding) = match tls::client_config(config)? {
            None => (Box::new(tcp) as Box<dyn Wire>, None),
            Some(tls) => secure(tcp, tls, config, &doing).await?,
        };
        let mut connection = Connection { wire, input: BytesMut::new(), end: None, doing, version: 0 };
        connection.introduce(config).await?;
        auth::authenticate(&mut connection, config, binding).await?;
        connection.ready().await?;
        Ok(connection)
    }

    async fn introduce(&mut self, config: &Config) -> Result<()> {
        let options = format!("{} {PINNED}", config.options);
        let parameters = [
            ("user", config.user.as_str()),
            ("database", &config.database),
            ("replication", "database"),
            ("client_encoding", "UTF8"),
            ("application_name", &config.application),
            ("options", options.trim_start()),
        ];
        self.send_with(|out| frontend::startup_message(parameters, out)).await
    }

    /// Until the server takes the next command.
    async fn ready(&mut self) -> Result<()> {
        loop {
            match self.message().await? {
                (b'Z', _) => return Ok(()),
                (b'S', body) => {
                    if let Some(version) = body.strip_prefix(b"server_version\0") {
                        self.version = leading_number(version);
                    }
                }
                // Key data, a command's end, rows of an answer, notices.
                (b'K' | b'C' | b'T' | b'D' | b'N' | b'A', _) => {}
                (tag, _) => return Err(self.unexpected(tag)),
            }
        }
    }

    /// Starts the stream of changes. What follows are the stream's frames.
    pub async fn start(&mut self, config: &Config, slot: &str, publication: &str, from: Lsn) -> Result<()> {
        self.doing = format!("starting replication from the slot {slot} of {}", config.place());
        match timeout(ANSWERING, self.begin(slot, publication, from)).await {
            Ok(started) => started?,
            Err(_) => {
                return Err(unavailable(format!(
                    "{}: no answer within {} s",
                    self.doing,
                    ANSWERING.as_secs()
                )));
            }
        }
        self.doing = format!("reading the changes of {}", config.place());
        Ok(())
    }

    async fn begin(&mut self, slot: &str, publication: &str, from: Lsn) -> Result<()> {
        if self.version >= 17 {
            // It would end the decoding of a large transaction.
            self.send_with(|out| frontend::query("SET transaction_timeout = 0", out)).await?;
            self.ready().await?;
        }
        let publications = literal(&quoted(publication));
        let command = format!(
            "START_REPLICATION SLOT {} LOGICAL {from} (proto_version '1', publication_names {publications}, messages 'true')",
            quoted(slot)
        );
        self.send_with(|out| frontend::query(&command, out)).await?;
        loop {
            match self.framed().await? {
                (b'W', _) => return Ok(()),
                (b'N' | b'S' | b'A', _) => {}
                (b'E', body) => return Err(self.refused(&said(body))),
                (tag, _) => return Err(self.unexpected(tag)),
            }
        }
    }

    /// Why the stream does not start: no slot of this name is a lost position.
    fn refused(&self, said: &Said) -> EndpointError {
        match said.state.as_str() {
            "42704" => self.lost(said),
            _ => self.complaint_of(said),
        }
    }

    /// An authentication request: its number, and the rest.
    pub async fn asked(&mut self) -> Result<(u32, Bytes)> {
        loop {
            match self.message().await? {
                (b'R', mut body) if body.len() >= 4 => return Ok((body.get_u32(), body)),
                // A notice, or an older protocol offered.
                (b'N' | b'v', _) => {}
                (tag, _) => return Err(self.unexpected(tag)),
            }
        }
    }

    /// The next message; a complaint is an error.
    async fn message(&mut self) -> Result<Framed> {
        match self.framed().await? {
            (b'E', body) => Err(self.complaint(body)),
            other => Ok(other),
        }
    }

    async fn framed(&mut self) -> Result<Framed> {
        loop {
            if let Some(framed) = self.take()? {
                return Ok(framed);
            }
            self.fill().await?;
        }
    }

    /// The next message of what has come, once it is whole.
    pub fn take(&mut self) -> Result<Option<Framed>> {
        let Some((&[tag, a, b, c, d], _)) = self.input.split_first_chunk() else { return Ok(None) };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if !(4..=LONGEST).contains(&length) {
            let what = format!("a message '{}' of {length} bytes", tag.escape_ascii());
            return Err(protocol(format!("{}: {what}", self.doing)));
        }
        if self.input.len() <= length {
            return Ok(None);
        }
        let mut whole = self.input.split_to(length + 1);
        whole.advance(5);
        Ok(Some((tag, whole.freeze())))
    }

    /// Waits for bytes, then takes what else is there; true once nothing is left to take. Cancel-safe.
    pub async fn fill(&mut self) -> Result<bool> {
        if let Some(end) = self.end.take() {
            return Err(from_io(&self.doing, &end));
        }
        self.make_room();
        match self.wire.read_buf(&mut self.input).await {
            Ok(1..) => {}
            Ok(0) => return Err(from_io(&self.doing, &closed())),
            Err(error) => return Err(from_io(&self.doing, &error)),
        }
        while self.input.len() < self.input.capacity() {
            match self.wire.read_buf(&mut self.input).now_or_never() {
                Some(Ok(SCRAP..)) => continue,
                None | Some(Ok(1..)) => {}
                // What came before is looked at first: it may tell why.
                Some(Ok(0)) => self.end = Some(closed()),
                Some(Err(error)) => self.end = Some(error),
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// A message that grows has its room doubled, so that a length that is only claimed costs nothing.
    fn make_room(&mut self) {
        if self.input.capacity() - self.input.len() < CHUNK / 4 {
            self.input.reserve(CHUNK.max(self.input.len()));
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let sent = async {
            self.wire.write_all(bytes).await?;
            self.wire.flush().await
        };
        sent.await.map_err(|e| from_io(&self.doing, &e))
    }

    pub async fn send_with(&mut self, write: impl FnOnce(&mut BytesMut) -> io::Result<()>) -> Result<()> {
        let mut out = BytesMut::new();
        write(&mut out).map_err(|e| from_io(&self.doing, &e))?;
        self.send(&out).await
    }

    /// Closes the sending side.
    pub async fn shut(&mut self) {
        // The server sees the end of the connection in any case.
        let _ = self.wire.shutdown().await;
    }

    /// What the server complains of.
    pub fn complaint(&self, body: Bytes) -> EndpointError {
        self.complaint_of(&said(body))
    }

    fn complaint_of(&self, said: &Said) -> EndpointError {
        match said.state.as_str() {
            // A part of the log that is no longer there.
            "58P01" => self.lost(said),
            "55000" if said.message.contains("can no longer") => self.lost(said),
            _ => from_server(&self.doing, said),
        }
    }

    fn lost(&self, said: &Said) -> EndpointError {
        let message = format!("{}: {}", self.doing, said.text());
        EndpointError::new(ErrorKind::PositionLost, "TL-PG-SLOT-LOST", message)
            .hint("changes may have been missed; copy anew with `tidelock sync --full`")
    }

    pub fn unexpected(&self, tag: u8) -> EndpointError {
        protocol(format!("{}: a message '{}' that is not due", self.doing, tag.escape_ascii()))
    }

    /// The server ended the stream in good order, as it does when it shuts down.
    pub fn ended(&self) -> EndpointError {
        unavailable(format!("{}: the server ended the stream", self.doing))
    }
}

/// Asks the server for TLS; with it, the hash that its certificate is bound by.
async fn secure(
    mut tcp: TcpStream,
    tls: ClientConfig,
    config: &Config,
    doing: &str,
) -> Result<(Box<dyn Wire>, Option<Vec<u8>>)> {
    let failed = |e: io::Error| from_io(doing, &e);
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    tcp.write_all(&request).await.map_err(failed)?;
    // One byte and no more: what followed in clear text would not be the server's word.
    match tcp.read_u8().await.map_err(failed)? {
        b'S' => {}
        b'N' if config.tls.mode == TlsMode::Prefer => return Ok((Box::new(tcp), None)),
        b'N' => return Err(tls_fault(format!("{doing}: the server does not offer TLS"))),
        b'E' => return Err(unavailable(format!("{doing}: the server takes no connections now"))),
        other => {
            return Err(protocol(format!(
                "{doing}: '{}' in answer to a request for TLS",
                other.escape_ascii()
            )));
        }
    }
    let host = ServerName::try_from(config.host.clone())
        .map_err(|e| tls_fault(format!("{doing}: the host {} in a certificate: {e}", config.host)))?;
    let wire = TlsConnector::from(Arc::new(tls)).connect(host, tcp).await.map_err(failed)?;
    let certificate = wire.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let binding = certificate.and_then(|c| auth::end_point(c));
    Ok((Box::new(wire), binding))
}

/// The fields of a complaint.
fn said(body: Bytes) -> Said {
    let mut said = Said::default();
    for field in body.split(|b| *b == 0) {
        let Some((kind, text)) = field.split_first() else { break };
        let text = String::from_utf8_lossy(text).into_owned();
        match kind {
            b'C' => said.state = text,
            b'M' => said.message = text,
            b'D' => said.detail = Some(text),
            b't' => said.table = Some(text),
            b'c' => said.column = Some(text),
            _ => {}
        }
    }
    said
}

fn leading_number(text: &[u8]) -> u32 {
    text.iter()
        .take_while(|b| b.is_ascii_digit())
        .fold(0, |n: u32, b| n.saturating_mul(10).saturating_add(u32::from(b - b'0')))
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")
}

fn unavailable(message: String) -> EndpointError {
    EndpointError::new(ErrorKind::Unavailable, "TL-PG-UNAVAILABLE", message)
}
