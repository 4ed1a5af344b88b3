//! What the program says when it is ready: where it is, the key, and what to type next.

use crate::server::Running;

/// The address, the admin key when it is new, and the next command.
pub(crate) fn greeting(running: &Running) -> String {
    let address = format!("http://{}", running.address);
    let key_file = running.key_file.display();
    let key = match &running.new_admin_key {
        Some(key) => format!("{key}\n              shown once, and kept in {key_file}"),
        None => format!("in {key_file}"),
    };
    format!(
        "EventLedger {version} is ready.

  address     {address}
  data        {data}
  admin key   {key}

Create a first stream:

  curl {address}/streams -H \"x-api-key: $(cat {key_file})\" \\
    -H 'content-type: application/json' -d '{{\"stream_id\": \"orders\"}}'
",
        version = env!("CARGO_PKG_VERSION"),
        data = running.data.display(),
    )
}
