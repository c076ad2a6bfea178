//! Values of state that an older version of the plugin wrote.

use crate::column::batch::VarValues;
use crate::failure::Failure;
use crate::function::binding::StateSpec;
use crate::state::encode::{StateValue, decode_whole};
use crate::state::slot::Slot;

/// What a function that migrates returns: the new value, or a `Result` of it with [`Failure`].
#[diagnostic::on_unimplemented(
    message = "a function that migrates to `{T}` cannot return `{Self}`",
    label = "returns another type",
    note = "write `fn from_version_1(old: Old) -> {T}`, or `-> Result<{T}, Failure>`"
)]
pub trait Migrated<T> {
    /// Returns the new value, or why there is none.
    fn into_result(self) -> Result<T, Failure>;
}

impl<T: StateValue> Migrated<T> for T {
    fn into_result(self) -> Result<T, Failure> {
        Ok(self)
    }
}

impl<T: StateValue> Migrated<T> for Result<T, Failure> {
    fn into_result(self) -> Result<T, Failure> {
        self
    }
}

/// Migrates values of slot `S`: decodes each as the older type, and encodes what `migrate` makes of it.
///
/// # Errors
/// The first value that is not of the older type, or that `migrate` fails: the host then finds it among the others.
pub fn migrate<S: Slot, Old: StateValue, New: Migrated<S::Item>>(
    slot: &str,
    version: u32,
    values: &VarValues,
    migrate: impl Fn(Old) -> New,
) -> Result<VarValues, String> {
    let mut migrated = VarValues::with_capacity(values.len(), values.data.len());
    for value in values.iter() {
        let old = decode_whole(value).ok_or_else(|| {
            format!("the stored value of `{slot}` is not of the type that the migration of version {version} reads")
        })?;
        migrate(old).into_result().map_err(Failure::into_message)?.encode(&mut migrated.data);
        migrated.end_value();
    }
    Ok(migrated)
}

/// Returns why values of this version are not migrated.
pub fn not_migrated(slot: &str, version: u32, specs: &[StateSpec]) -> String {
    match specs.iter().find(|spec| spec.name == slot) {
        Some(spec) => {
            let own = spec.version;
            format!(
                "`{slot}` has version {own} here, and no `migrate({version} = ...)` for values of version {version}"
            )
        }
        None => format!("the function has no state slot `{slot}`"),
    }
}
