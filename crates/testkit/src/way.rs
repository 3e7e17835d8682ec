//! A way to a server that a test can shut, lead elsewhere, hold and watch.
//!
//! It listens from its first moment to the end of the test's process, so that no two ever have one port; whoever comes while it leads nowhere is
//! turned away at once.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// An address that hands on whatever comes.
pub struct Way {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    /// The server's host and port.
    to: Mutex<Option<String>>,
    /// Returns when a client that has come may go on.
    door: Box<dyn Fn() + Send + Sync>,
    trips: AtomicU64,
}

impl Way {
    /// One that leads nowhere yet.
    pub fn closed() -> Way {
        Way::with_door(|| ())
    }

    /// One to the server of `url`.
    pub fn to(url: &str) -> Way {
        let way = Way::closed();
        way.lead(url);
        way
    }

    /// One that leads nowhere yet, and on which every client waits until `door` returns.
    ///
    /// # Panics
    /// When there is no port left.
    pub fn with_door(door: impl Fn() + Send + Sync + 'static) -> Way {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port of this machine");
        let port = listener.local_addr().expect("a listener has an address").port();
        let shared =
            Arc::new(Shared { to: Mutex::new(None), door: Box::new(door), trips: AtomicU64::new(0) });
        let way = Way { port, shared: shared.clone() };
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let shared = shared.clone();
                // Either end may go as it likes.
                std::thread::spawn(move || drop(shared.carry(&client)));
            }
        });
        way
    }

    /// Leads to the server of `url` from now on. Whoever is connected stays where it is.
    ///
    /// # Panics
    /// When it is no url of a server with its port.
    pub fn lead(&self, url: &str) {
        let url = url::Url::parse(url).expect("a server's url");
        let host = url.host_str().expect("a server's url has a host");
        let to = format!("{host}:{}", url.port().expect("a server's url has a port"));
        *self.shared.to.lock().unwrap_or_else(PoisonError::into_inner) = Some(to);
    }

    /// `url` with this way in place of its server's address.
    ///
    /// # Panics
    /// When it is no url of a server with its port.
    pub fn through(&self, url: &str) -> String {
        let mut url = url::Url::parse(url).expect("a server's url");
        url.set_host(Some("127.0.0.1")).expect("a server's url has a host");
        url.set_port(Some(self.port)).expect("a server's url has a port");
        url.into()
    }

    /// How often any client spoke after its server had: round trips.
    pub fn trips(&self) -> u64 {
        self.shared.trips.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn carry(&self, client: &TcpStream) -> io::Result<()> {
        (self.door)();
        let to = self.to.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(to) = to else { return Ok(()) };
        let server = &TcpStream::connect(to)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let asked = &AtomicBool::new(false);
        std::thread::scope(|scope| {
            let ask = || {
                if !asked.swap(true, Ordering::SeqCst) {
                    self.trips.fetch_add(1, Ordering::SeqCst);
                }
            };
            scope.spawn(move || hand_on(client, server, ask));
            hand_on(server, client, || asked.store(false, Ordering::SeqCst));
        });
        Ok(())
    }
}

/// Until one end goes, which takes the other along.
fn hand_on(mut from: &TcpStream, mut to: &TcpStream, note: impl Fn()) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(n) = from.read(&mut buffer) {
        if n == 0 {
            break;
        }
        note();
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    for end in [from, to] {
        // It may be gone already.
        let _ = end.shutdown(Shutdown::Both);
    }
}
