//! How it looks: a pure function of what is known.

use flowgate_api::job::{JobFigures, Phase};
use flowgate_base::shown;
use flowgate_control::explain::words;
use flowgate_control::status::{Operator, Status};
use flowgate_worker::figures;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Cell, Paragraph, Row, Table, TableState, Wrap};

use super::super::job_ask::word;
use super::super::listing;
use super::model::Model;

/// Maximum bytes of a text of the job.
const TEXT_BYTES_MAX: usize = 1_024;

/// Draws everything. `colours`: whether phases have colours.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, now_ms: i64, colours: bool) {
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(1), Constraint::Length(1)]).areas(frame.area());
    frame.render_widget(Line::from(title(model)).style(Style::new().add_modifier(Modifier::BOLD)), head);
    match &model.opened {
        Some(job) => draw_job(frame, body, model, job, now_ms, colours),
        None => draw_jobs(frame, body, model, now_ms, colours),
    }
    let keys = match (&model.notice, &model.opened) {
        (Some(notice), _) => shown::one_line(notice, TEXT_BYTES_MAX),
        (None, None) => "up, down: choose   Enter: operators   q: quit".into(),
        (None, Some(_)) => "Escape: all jobs   q: quit".into(),
    };
    frame.render_widget(Line::from(keys).style(Style::new().add_modifier(Modifier::DIM)), foot);
}

fn title(model: &Model) -> String {
    let running = model.jobs.values().filter(|of| of.job.phase == Phase::Running).count();
    let jobs = if model.jobs.len() == 1 { "job" } else { "jobs" };
    let mut text = format!("{}: {} {jobs}, {running} running", model.tenant, model.jobs.len());
    if let Some(usage) = &model.usage {
        let cpu = words::length(i64::try_from(usage.cpu_ms).unwrap_or(i64::MAX));
        text += &format!("   memory {}   cpu {cpu}", figures::bytes(usage.memory_used_bytes));
    }
    format!("{text}   {}", model.node)
}

fn draw_jobs(frame: &mut Frame<'_>, area: Rect, model: &Model, now_ms: i64, colours: bool) {
    if model.jobs.is_empty() {
        let text =
            if model.has_begun { "no jobs; `flowgate job submit FILE` submits one" } else { "asking the node ..." };
        frame.render_widget(Paragraph::new(text), area);
        return;
    }
    let head = ["job", "phase", "rows/s", "lag", "errors", "late", "state", "checkpoint", "restarts"];
    let widths = [
        Constraint::Min(12),
        Constraint::Length(10),
        Constraint::Length(7),
        Constraint::Length(6),
        Constraint::Length(6),
        Constraint::Length(6),
        Constraint::Length(7),
        Constraint::Length(10),
        Constraint::Length(8),
    ];
    let rows = model.jobs.values().map(|of| job_row(of, now_ms, colours));
    let table = table(head, widths, rows).row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::new().with_selected(Some(model.position()));
    frame.render_stateful_widget(table, area, &mut state);
}

fn job_row(of: &JobFigures, now_ms: i64, colours: bool) -> Row<'static> {
    let count = |n: u64| if n == 0 { String::new() } else { figures::short(n as f64) };
    let lag = of.lag_ms.map_or_else(String::new, figures::lag);
    let ago = |at| format!("{} ago", figures::lag(whole_seconds(now_ms - at)));
    let checkpoint = of.checkpoint_ms.map_or_else(String::new, ago);
    let state = if of.state_bytes == 0 { String::new() } else { format!("{}B", figures::short(of.state_bytes as f64)) };
    let phase = Cell::from(word(of.job.phase)).style(phase_style(of.job.phase, colours));
    Row::new([
        Cell::from(shown::one_line(&of.job.name, TEXT_BYTES_MAX)),
        phase,
        right(figures::short(of.rows_per_s)),
        right(lag),
        right(count(of.errors)),
        right(count(of.late)),
        right(state),
        right(checkpoint),
        right(count(of.job.restarts)),
    ])
}

fn whole_seconds(ms: i64) -> i64 {
    ms / 1_000 * 1_000
}

fn phase_style(phase: Phase, colours: bool) -> Style {
    let colour = match phase {
        _ if !colours => return Style::new(),
        Phase::Running => Color::Green,
        Phase::Starting | Phase::Stopping => Color::Cyan,
        Phase::Restarting => Color::Yellow,
        Phase::Failed => Color::Red,
        Phase::Stopped | Phase::Finished => return Style::new(),
    };
    Style::new().fg(colour)
}

fn draw_job(frame: &mut Frame<'_>, area: Rect, model: &Model, name: &str, now_ms: i64, colours: bool) {
    let Some(of) = model.jobs.get(name) else {
        frame.render_widget(Paragraph::new(format!("{name} is not there any more")), area);
        return;
    };
    let [about, why, body] =
        Layout::vertical([Constraint::Length(1), Constraint::Max(3), Constraint::Min(1)]).areas(area);
    let age = of.job.attempt_ms.map_or_else(String::new, |at| format!(" for {}", listing::since(at, now_ms)));
    let plugins: Vec<&str> = of.job.plugins.iter().map(|used| used.version.as_str()).collect();
    let text = format!(
        "{name}: {}{age}, {}, {} rows/s   {}",
        word(of.job.phase),
        listing::workers(of.job.parallelism),
        figures::short(of.rows_per_s),
        plugins.join(" ")
    );
    frame.render_widget(Line::from(text).style(phase_style(of.job.phase, colours)), about);
    if let Some(failure) = &of.job.failure {
        let text = format!("last failure: {}: {}", failure.code, shown::one_line(&failure.message, TEXT_BYTES_MAX));
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), why);
    }
    match model.detail.as_ref().and_then(|detail| detail.status.as_deref()) {
        Some(status) => draw_operators(frame, body, status),
        None if of.job.phase == Phase::Running => frame.render_widget(Paragraph::new("asking the job ..."), body),
        None => frame.render_widget(Paragraph::new("the job does not run"), body),
    }
}

fn draw_operators(frame: &mut Frame<'_>, area: Rect, status: &Status) {
    let head = ["operator", "in", "out", "errors", "late", "behind", "state", "note"];
    let widths = [
        Constraint::Min(12),
        Constraint::Length(7),
        Constraint::Length(7),
        Constraint::Length(6),
        Constraint::Length(6),
        Constraint::Length(7),
        Constraint::Length(7),
        Constraint::Length(8),
    ];
    let rows = status.operators.iter().map(|of| operator_row(status, of));
    frame.render_widget(table(head, widths, rows), area);
}

fn operator_row(status: &Status, of: &Operator) -> Row<'static> {
    let count = |n: u64| if n == 0 { String::new() } else { figures::short(n as f64) };
    let out = of.deliveries.map_or(of.rows_out, |deliveries| deliveries.delivered);
    let behind = of.watermark_ms().filter(|at| *at < i64::MAX);
    let behind = behind.map_or_else(String::new, |at| figures::lag(status.now_ms.saturating_sub(at)));
    let memory = of.state.memory_bytes;
    let is_full = |on: &flowgate_control::status::OnWorker| on.output_full_since_ms.is_some();
    let note = if of.on_workers.iter().any(is_full) {
        "blocked"
    } else if of.deliveries.is_some_and(|deliveries| deliveries.retrying > 0) {
        "retries"
    } else {
        ""
    };
    Row::new([
        Cell::from(shown::one_line(&of.name, TEXT_BYTES_MAX)),
        right(figures::short(of.rows_in as f64)),
        right(figures::short(out as f64)),
        right(count(of.errors)),
        right(count(of.late)),
        right(behind),
        right(if memory == 0 { String::new() } else { format!("{}B", figures::short(memory as f64)) }),
        Cell::from(note),
    ])
}

fn right(text: String) -> Cell<'static> {
    Cell::from(Line::from(text).right_aligned())
}

/// Returns a table. Heads stand over their columns: all but texts at the right.
fn table<const N: usize>(
    head: [&'static str; N],
    widths: [Constraint; N],
    rows: impl Iterator<Item = Row<'static>>,
) -> Table<'static> {
    let is_text = |name: &str| ["job", "phase", "operator", "note"].contains(&name);
    let cells = head.map(|name| if is_text(name) { Cell::from(name) } else { right(name.into()) });
    let head = Row::new(cells).style(Style::new().add_modifier(Modifier::UNDERLINED));
    Table::new(rows, widths).header(head).column_spacing(1)
}

#[cfg(test)]
mod tests {
    use flowgate_api::job::JobError;
    use flowgate_control::status::Fault;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::model::{Key, News, figures_of_test};
    use super::*;

    fn model() -> Model {
        let mut model = Model { tenant: "acme".into(), node: "http://127.0.0.1:7070".into(), ..Model::default() };
        model.learn(News::Begins);
        model.learn(News::Job(Box::new(figures_of_test("web", 12_345.0))));
        let mut failed = figures_of_test("sensors", 0.0);
        failed.job.phase = Phase::Failed;
        failed.job.restarts = 4;
        let message = "the plugin trapped\u{1b}[2J".into();
        failed.job.failure = Some(JobError { code: "FG0220".into(), fault: Fault::User, operator: None, message });
        model.learn(News::Job(Box::new(failed)));
        model
    }

    fn screen(model: &Model, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, model, 60_000, true)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let cells = usize::from(width);
        let symbols: Vec<&str> = buffer.content().iter().map(|cell| cell.symbol()).collect();
        symbols.chunks(cells).map(|line| line.concat().trim_end().to_string()).collect()
    }

    #[test]
    fn jobs_fit_a_small_terminal() {
        let lines = screen(&model(), 80, 24);
        assert_eq!(lines[0], "acme: 2 jobs, 1 running   http://127.0.0.1:7070");
        assert_eq!(lines[1], "job          phase       rows/s    lag errors   late   state checkpoint restarts");
        assert_eq!(lines[2], "sensors      failed           0   1.5s      3          2.5MB   5.0s ago        4");
        assert_eq!(lines[3], "web          running      12.3k   1.5s      3          2.5MB   5.0s ago");
        assert_eq!(lines[23], "up, down: choose   Enter: operators   q: quit");
    }

    #[test]
    fn an_opened_job_says_why_it_failed() {
        let mut model = model();
        model.press(Key::Open);
        let lines = screen(&model, 80, 24);
        assert!(lines[1].starts_with("sensors: failed for 1m, 2 workers"), "{}", lines[1]);
        assert_eq!(lines[2], "last failure: FG0220: the plugin trapped\\u{1b}[2J");
        assert!(lines.iter().any(|line| line == "the job does not run"), "{lines:?}");
        assert_eq!(lines[23], "Escape: all jobs   q: quit");
    }

    #[test]
    fn no_terminal_is_too_small() {
        let mut model = model();
        for opened in [false, true] {
            if opened {
                model.press(Key::Open);
            }
            for (width, height) in [(1, 1), (2, 3), (20, 5), (300, 2)] {
                screen(&model, width, height);
            }
        }
        assert_eq!(screen(&Model::default(), 40, 5)[1], "asking the node ...");
    }

    #[test]
    fn the_chosen_job_is_in_sight() {
        let mut model = model();
        for at in 0..50 {
            model.learn(News::Job(Box::new(figures_of_test(&format!("x{at:02}"), 1.0))));
        }
        model.press(Key::Last);
        let lines = screen(&model, 80, 24);
        assert!(lines.iter().any(|line| line.starts_with("x49 ")), "{lines:?}");
    }
}
