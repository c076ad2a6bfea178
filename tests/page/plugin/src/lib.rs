//! The function that the tests of the page compare with another version of itself, and whose calls end without an answer now and then.
//!
//! Built with `FLOWGATE_PAGE_SECOND` in the environment, it is the second version.

use flowgate_sdk::{Context, Failure, Process, Row, State, Value};

const IS_SECOND: bool = option_env!("FLOWGATE_PAGE_SECOND").is_some();

/// The columns that it reads.
#[derive(Debug, Row)]
pub struct Payment {
    /// In the smallest unit of the currency.
    pub amount: i64,
}

/// The columns that it makes.
#[derive(Debug, Row)]
pub struct Judged {
    /// The part of the payment in all of the account.
    pub score: f64,
    /// Everything that the account has paid.
    pub total: i64,
}

/// What it keeps for each account.
#[derive(Debug, State)]
pub struct Account {
    total: Value<i64>,
}

/// Judges payments by what their account has paid before.
#[flowgate_sdk::config]
#[derive(Debug)]
pub struct Risk;

/// Judges payments by what their account has paid before.
///
/// The second version adds a fee to every tenth amount, and fails amounts that end in 1. Both trap on amounts that end in 99.
#[flowgate_sdk::process]
impl Process for Risk {
    type Row<'a> = Payment;
    type State = Account;
    type Output = Judged;

    fn on_row(&self, row: Payment, ctx: &mut Context<'_, Self>) -> Result<(), Failure> {
        assert!(row.amount % 100 != 99, "no rule is about the amount {}", row.amount);
        if IS_SECOND && row.amount % 10 == 1 {
            return Err(Failure::new("an amount that ends in 1 is suspicious"));
        }
        let fee = if IS_SECOND && row.amount % 10 == 0 { 5 } else { 0 };
        let total = ctx.state.total.get().copied().unwrap_or_default() + row.amount + fee;
        ctx.state.total.set(total);
        ctx.emit(Judged { score: row.amount as f64 / total as f64, total });
        Ok(())
    }
}

flowgate_sdk::plugin! { processes: [Risk] }
