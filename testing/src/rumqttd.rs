//! rumqttd as a child of the test: a broker with other habits than mosquitto's, which forgets everything when it ends.

use std::{
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

/// A rumqttd that listens on 127.0.0.1, plain TCP; killed when it is dropped. It refuses clients without an id.
pub struct Rumqttd {
    program: PathBuf,
    child: Child,
    /// Where it listens, before and after a restart.
    pub port: u16,
}

impl Rumqttd {
    /// Starts the one that `SKYTETHER_RUMQTTD` names: `cargo xtask test --only rumqttd` builds it and sets that.
    pub fn start() -> Self {
        let program = std::env::var_os("SKYTETHER_RUMQTTD").expect("run it as cargo xtask test --only rumqttd");
        let program = PathBuf::from(program);
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if let Some(child) = run(&program, port) {
                return Self { program, child, port };
            }
        }
        panic!("{} does not start", program.display());
    }

    /// kill -9, and a new one in the same place, which knows nothing.
    pub fn restart(&mut self) {
        self.kill();
        self.child = run(&self.program, self.port).expect("it starts where it was");
    }

    fn kill(&mut self) {
        // One that is gone already does not mind.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

impl Drop for Rumqttd {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts it and waits until it listens; `None` if it ends before.
fn run(program: &PathBuf, port: u16) -> Option<Child> {
    let mut command = Command::new(program);
    command.arg(port.to_string()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    for _ in 0..1000 {
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(child);
        }
        sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}
