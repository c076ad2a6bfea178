//! The `webhook` sink: rows go to a URL, in requests that are retried until they are delivered.

mod endpoint;
mod outcome;
#[cfg(test)]
mod policy_tests;
pub(crate) mod settings;
mod sink;
#[cfg(test)]
mod test_server;
#[cfg(test)]
mod tests;

pub(crate) use endpoint::Endpoint;
pub(crate) use sink::WebhookSink;
