//! `flowgate serve`: the node.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use flowgate_base::error::{Error, Result};
use flowgate_node::{Config, Jobs, Node, TlsFiles};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::service_manager::ServiceManager;
use super::terminal;

pub(super) const EXAMPLES: &str = "\
Examples:
  flowgate serve --data ./node
  flowgate serve --data /var/lib/flowgate --listen 0.0.0.0:7070 --tls-cert node.crt --tls-key node.key
  flowgate serve --config node.yaml --check        # what would run
  flowgate serve --data ./node --new-admin-token   # for somebody who has lost the token

The first start prints a token of an administrator, once. The page is at the address that is printed; `flowgate login ADDRESS` makes \
it the node of this user's commands.

SIGINT and SIGTERM stop the node. Its jobs go on, and the next node finds them; with --stop-jobs they stop with a checkpoint, and the \
next node starts them from there.";

/// Time for which a node that ends waits for what its threads do. A change of the catalog takes some milliseconds.
const END_WITHIN: Duration = Duration::from_secs(2);

/// Arguments of `flowgate serve`. An argument overrides the file of `--config`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The folder of the node: its catalog, plugins, checkpoints and logs. It is created.
    #[arg(long, value_name = "FOLDER", required_unless_present = "config", value_hint = ValueHint::DirPath)]
    data: Option<PathBuf>,
    /// The settings of the node, as `flowgate schema --node` describes them.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// The address to listen on. Default: 127.0.0.1:7070.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// The certificate of the node, in PEM, with its chain; read again when it changes.
    #[arg(long, value_name = "FILE", requires = "tls_key", value_hint = ValueHint::FilePath)]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert", value_hint = ValueHint::FilePath)]
    tls_key: Option<PathBuf>,
    /// Listens without TLS on an address that other machines reach. Tokens then cross the network as they are.
    #[arg(long)]
    without_tls: bool,
    /// The file of the key that encrypts secrets, of mode 0600; it is created. Default: `node.key` in the folder.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    key_file: Option<PathBuf>,
    /// Stops the jobs together with the node.
    #[arg(long)]
    stop_jobs: bool,
    /// Says what would run, and what keeps it from running. Nothing is created or started.
    #[arg(long)]
    check: bool,
    /// Prints a new token of an administrator, and ends. No node may run on the folder.
    #[arg(long, conflicts_with = "check")]
    new_admin_token: bool,
}

/// Reads the file, and lets the arguments override it.
fn config(args: &ServeArgs) -> Result<Config> {
    // A variable that is no text is none: the file says where it wants one.
    let environment = |name: &str| std::env::var(name).ok();
    // Without a file, every setting has its default.
    let file = args.config.as_deref().map(|path| Config::read(path, &environment)).transpose()?.unwrap_or_default();
    let tls = args.tls_cert.clone().zip(args.tls_key.clone()).map(|(cert, key)| TlsFiles { cert, key });
    Ok(Config {
        data: args.data.clone().or(file.data),
        listen: args.listen.map(|address| address.to_string()).or(file.listen),
        tls: tls.or(file.tls),
        without_tls: args.without_tls || file.without_tls,
        key_file: args.key_file.clone().or(file.key_file),
        stop_jobs: args.stop_jobs || file.stop_jobs,
        ..file
    })
}

pub(super) fn run(args: &ServeArgs) -> Result<()> {
    let config = config(args)?;
    let exe = std::env::current_exe().map_err(|error| Error::io("cannot find this executable", &error))?;
    let settings = config.settings(exe)?;
    if args.new_admin_token {
        let token = flowgate_node::recover_token(&settings.data)?;
        return terminal::print(&format!("{token}\n"));
    }
    if args.check {
        terminal::print(&config.in_force(&settings))?;
        let found = flowgate_node::examine(&settings)?;
        terminal::message(&found);
        return Ok(());
    }
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let manager = ServiceManager::of_this_process()
        .map_err(|error| Error::io("cannot tell the service manager of NOTIFY_SOCKET that the node serves", &error))?;
    // Before the node starts: a signal during the start stops it, too.
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(|error| Error::io("cannot handle signals", &error))?;
    let runtime = flowgate_node::runtime()?;
    let serving = runtime.block_on(Node::serve(settings))?;
    let address = format!("{scheme}://{}", serving.address);
    if let Some(token) = &serving.first_token {
        terminal::message(&format!("the token of the first administrator, shown this once: {token}\n"));
    }
    terminal::message(&format!("the node serves at {address}\n"));
    manager.ready(&address);
    signals.forever().next();
    manager.stopping();
    let jobs = if config.stop_jobs { Jobs::Stop } else { Jobs::Continue };
    terminal::message(match jobs {
        Jobs::Continue => "the node stops; its jobs go on\n",
        Jobs::Stop => "the node stops, and its jobs with it\n",
    });
    runtime.block_on(serving.stop(jobs));
    // Threads that wait for jobs, as those of savepoints and taps do, may wait for ever. What was answered is in the catalog.
    runtime.shutdown_timeout(END_WITHIN);
    Ok(())
}
