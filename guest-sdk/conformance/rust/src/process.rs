//! A process function with two inputs, state of every kind, timers of both clocks, a side output, and rows that fail.

use flowgate_sdk::{
    Context, Failure, List, Map, Process, Row, SideOutput, SideOutputs, State, Timer, TimerTag, Timestamp, Value,
};

/// The time without a visit after which the visits of a user are over.
const GAP_MS: i64 = 10_000;

#[derive(Row)]
pub(crate) struct Visit<'a> {
    page: &'a str,
    at: Timestamp,
}

#[derive(Row)]
pub(crate) struct Command<'a> {
    command: &'a str,
}

#[derive(Row, Clone)]
pub(crate) struct User<'a> {
    user: &'a str,
}

#[derive(Debug, PartialEq, Row)]
pub(crate) struct Said {
    user: String,
    what: String,
    visits: i64,
    pages: i64,
    trail: String,
}

#[derive(Row)]
pub(crate) struct Done {
    user: String,
    done: String,
}

#[derive(SideOutputs)]
pub(crate) struct Sides {
    commands: SideOutput<Done>,
}

/// What is known of a user.
#[derive(State)]
pub(crate) struct Known {
    /// Visits, and the time of the last one.
    visits: Value<(u64, Timestamp)>,
    /// The visits of each page.
    pages: Map<String, u64>,
    /// The pages in the order of the visits.
    trail: List<String>,
}

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, TimerTag)]
pub(crate) enum Tag {
    /// The visits are over.
    Gap = 1,
    /// A user was seen for the first time.
    First = 2,
}

/// Visits of users, until there is none for ten seconds.
#[flowgate_sdk::config]
pub(crate) struct Visits;

/// Says who was seen first, what each user visited when no visit has come for ten seconds, and what commands did.
#[flowgate_sdk::process]
impl Process for Visits {
    type Row<'a> = Visit<'a>;
    type Other<'a> = Command<'a>;
    type Key<'a> = User<'a>;
    type State = Known;
    type Tag = Tag;
    type Output = Said;
    type Sides = Sides;

    fn on_row(&self, visit: Visit, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        if visit.page.is_empty() {
            return Err(Failure::new("a visit of no page"));
        }
        let before = ctx.state.visits.get().copied();
        if before.is_none() {
            ctx.timers.set(Timer::processing_time(Timestamp::from_millis(0), Tag::First));
        }
        let (visits, last) = before.unwrap_or((0, visit.at));
        ctx.state.visits.set((visits + 1, last.max(visit.at)));
        let page = visit.page.to_string();
        let of_page = ctx.state.pages.get(&page).copied().unwrap_or(0);
        ctx.state.pages.insert(page.clone(), of_page + 1);
        ctx.state.trail.push(page);
        ctx.timers.set(Timer::event_time(visit.at.plus_millis(GAP_MS), Tag::Gap));
        Ok(())
    }

    fn on_other(&self, command: Command, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        let user = ctx.key().user.to_string();
        match command.command {
            "forget" => forget(ctx),
            "drop-last" => {
                let mut trail = ctx.state.trail.get().to_vec();
                trail.pop();
                ctx.state.trail.replace(trail);
            }
            other => return Err(Failure::new(format!("no command is called {other}"))),
        }
        ctx.sides.commands.push(Done { user, done: command.command.to_string() });
        Ok(())
    }

    fn on_timer(&self, timer: Timer<Tag>, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        let Some((visits, last)) = ctx.state.visits.get().copied() else { return Ok(()) };
        let what = match timer.tag {
            Tag::First => "first",
            // A later visit has a timer of its own.
            Tag::Gap if last.plus_millis(GAP_MS) > timer.time => return Ok(()),
            Tag::Gap => "over",
        };
        let said = Said {
            user: ctx.key().user.to_string(),
            what: what.into(),
            visits: visits as i64,
            pages: ctx.state.pages.entries().count() as i64,
            trail: ctx.state.trail.get().join(" "),
        };
        ctx.emit(said);
        if timer.tag == Tag::Gap {
            forget(ctx);
        }
        Ok(())
    }
}

fn forget(ctx: &mut Context<'_, Visits>) {
    ctx.state.visits.clear();
    ctx.state.pages.clear();
    ctx.state.trail.clear();
}
