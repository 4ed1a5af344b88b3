//! A router on a port of this machine, for clients that speak HTTP themselves.

use axum::Router;

/// Serves a router, and answers its URL. It runs on a thread of its own, so that what it counts and logs is not taken for its
/// client's, and ends with the process.
///
/// # Panics
/// When the machine has no port for it.
#[must_use]
pub fn serve(router: Router) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket can wait elsewhere");
    let url = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            axum::serve(listener, router).await.expect("a server without an end");
        });
    });
    url
}
