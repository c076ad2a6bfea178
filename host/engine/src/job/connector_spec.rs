//! Sources, sinks and aggregates from their settings in Rust.

use super::spec::{
    Aggregate, Empty, FileSink, FileSource, Generator, Nexmark, PluginAggregate, Print, Sink, Source, StdinSource,
    System, Webhook,
};

impl From<FileSource> for Source {
    fn from(file: FileSource) -> Source {
        Source { file: Some(file), ..Source::default() }
    }
}

impl From<StdinSource> for Source {
    fn from(stdin: StdinSource) -> Source {
        Source { stdin: Some(stdin), ..Source::default() }
    }
}

impl From<Generator> for Source {
    fn from(generator: Generator) -> Source {
        Source { generator: Some(generator), ..Source::default() }
    }
}

impl From<Nexmark> for Source {
    fn from(nexmark: Nexmark) -> Source {
        Source { nexmark: Some(nexmark), ..Source::default() }
    }
}

impl From<System> for Source {
    fn from(system: System) -> Source {
        Source { system: Some(system), ..Source::default() }
    }
}

impl From<Webhook> for Sink {
    fn from(webhook: Webhook) -> Sink {
        Sink { webhook: Some(webhook), ..no_sink() }
    }
}

fn no_sink() -> Sink {
    Sink { input: String::new(), print: None, file: None, webhook: None, blackhole: None }
}

impl From<Print> for Sink {
    fn from(print: Print) -> Sink {
        Sink { print: Some(print), ..no_sink() }
    }
}

impl From<FileSink> for Sink {
    fn from(file: FileSink) -> Sink {
        Sink { file: Some(file), ..no_sink() }
    }
}

impl From<Empty> for Sink {
    fn from(blackhole: Empty) -> Sink {
        Sink { blackhole: Some(blackhole), ..no_sink() }
    }
}

impl From<&str> for Aggregate {
    fn from(expression: &str) -> Aggregate {
        Aggregate::Expression(expression.into())
    }
}

impl From<String> for Aggregate {
    fn from(expression: String) -> Aggregate {
        Aggregate::Expression(expression)
    }
}

impl From<PluginAggregate> for Aggregate {
    fn from(function: PluginAggregate) -> Aggregate {
        Aggregate::Plugin(function)
    }
}
