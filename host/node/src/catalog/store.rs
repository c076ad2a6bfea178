//! The file of the catalog: tables of JSON records, changed in transactions that are durable when they return.
//!
//! N1: what a response of the API says has happened is in the catalog before the response is sent.
//! N2: one process has the catalog; the lock of the file refuses a second one.

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use flowgate_base::error::{Code, Coded};
use redb::{
    Database, DatabaseError, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition,
    TableError, TableHandle, WriteTransaction,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::block_in_place;

use crate::code;

/// The version of the records. A node refuses a catalog of a later one, and brings an earlier one up to it.
const FORMAT: u32 = 1;

/// The table of the catalog's own facts.
const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");

/// Why the catalog cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogError {
    /// Another process has it.
    #[error("another node has the data folder; stop it first, or choose another folder with --data")]
    Taken,
    /// It was written by a later version.
    #[error(
        "the catalog has format {0}, and this version of Flowgate reads {FORMAT}; use the version that wrote it, or a later one"
    )]
    Later(u32),
    /// A record is not readable.
    #[error("the catalog's record `{0}` cannot be read: {1}")]
    Damaged(String, serde_json::Error),
    /// A record that must be there is not.
    #[error("the catalog has no record `{0}`")]
    Missing(String),
    /// The file cannot be read or written.
    #[error("the catalog: {0}")]
    File(#[from] redb::Error),
}

macro_rules! from_redb {
    ($($error:ty),*) => {
        $(impl From<$error> for CatalogError {
            fn from(error: $error) -> Self {
                CatalogError::File(error.into())
            }
        })*
    };
}
from_redb!(redb::TransactionError, redb::StorageError, redb::CommitError, redb::TableError);

impl Coded for CatalogError {
    fn code(&self) -> &'static Code {
        match self {
            CatalogError::Taken => &code::DATA_TAKEN,
            _ => &code::CATALOG,
        }
    }
}

/// What is kept in a table of its own.
pub(crate) trait Record: Serialize + DeserializeOwned {
    /// The table.
    const TABLE: TableDefinition<'static, &'static str, &'static [u8]>;
}

/// The catalog of a node.
pub(crate) struct Catalog {
    path: PathBuf,
    file: RwLock<Option<Database>>,
}

fn opened(path: &Path) -> Result<Database, CatalogError> {
    Database::create(path).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => CatalogError::Taken,
        error => CatalogError::File(error.into()),
    })
}

/// Whether this version of Flowgate reads a catalog that nobody has open.
///
/// # Errors
/// It is of a later version, or the file cannot be read.
pub(crate) fn examine(file: &ReadOnlyDatabase) -> Result<(), CatalogError> {
    View(file.begin_read()?).format().map(drop)
}

impl Catalog {
    /// Opens the catalog, or creates it.
    ///
    /// # Errors
    /// Another node has it, it is of a later version, or the file cannot be used.
    pub(crate) fn open(path: &Path) -> Result<Catalog, CatalogError> {
        let catalog = Catalog { path: path.into(), file: RwLock::new(Some(opened(path)?)) };
        if catalog.read(View::format)?.is_none() {
            catalog.change(|change| change.set_meta("format", &FORMAT))?;
        }
        Ok(catalog)
    }

    /// Reads a consistent state.
    ///
    /// # Errors
    /// The file cannot be read, or `read` fails.
    pub(crate) fn read<T, E: From<CatalogError>>(&self, read: impl FnOnce(&View) -> Result<T, E>) -> Result<T, E> {
        let view = View(self.begin(|file| Ok(file.begin_read()?))?);
        read(&view)
    }

    /// Writes a consistent state to a new file, which is a catalog. Changes go on meanwhile, and are not in it.
    ///
    /// # Errors
    /// The file is there already, or one of the two cannot be used.
    pub(crate) fn copy_to(&self, path: &Path) -> Result<(), CatalogError> {
        let view = self.begin(|file| Ok(file.begin_read()?))?;
        let copy = Database::create(path).map_err(|error| CatalogError::File(error.into()))?;
        let change = copy.begin_write()?;
        for table in view.list_tables()? {
            let table: TableDefinition<'_, &str, &[u8]> = TableDefinition::new(table.name());
            let mut to = change.open_table(table)?;
            for entry in view.open_table(table)?.iter()? {
                let (key, value) = entry?;
                to.insert(key.value(), value.value())?;
            }
        }
        Ok(change.commit()?)
    }

    /// Changes the catalog: all of it, durable when this returns, or nothing where `change` fails.
    ///
    /// # Errors
    /// The file cannot be written, or `change` fails.
    pub(crate) fn change<T, E: From<CatalogError>>(
        &self,
        change: impl FnOnce(&Change) -> Result<T, E>,
    ) -> Result<T, E> {
        // It waits for the change before it, and for the disk: others are served meanwhile.
        block_in_place(|| {
            let transaction = Change(self.begin(|file| Ok(file.begin_write()?))?);
            let result = change(&transaction)?;
            transaction.0.commit().map_err(CatalogError::from)?;
            Ok(result)
        })
    }

    /// Begins a transaction. After an error of the disk, such as a full one, redb wants the file to be opened again: what was committed is
    /// in it.
    fn begin<T>(&self, begin: impl Fn(&Database) -> Result<T, CatalogError>) -> Result<T, CatalogError> {
        let begun = self.file.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(&begin);
        match begun {
            Some(Err(CatalogError::File(redb::Error::PreviousIo))) | None => {}
            Some(begun) => return begun,
        }
        let mut file = self.file.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have done it.
        if let Some(Ok(begun)) = file.as_ref().map(&begin) {
            return Ok(begun);
        }
        // The lock of the file is given up first.
        *file = None;
        begin(file.insert(opened(&self.path)?))
    }
}

/// A state of the catalog.
pub(crate) struct View(ReadTransaction);

/// A transaction.
pub(crate) struct Change(WriteTransaction);

fn decode<R: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<R, CatalogError> {
    serde_json::from_slice(bytes).map_err(|error| CatalogError::Damaged(key.into(), error))
}

fn encode<R: Serialize>(record: &R) -> Vec<u8> {
    serde_json::to_vec(record).expect("records have text keys only")
}

fn get<R: DeserializeOwned>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &str,
) -> Result<Option<R>, CatalogError> {
    table.get(key)?.map(|found| decode(key, found.value())).transpose()
}

/// The records whose keys begin with `prefix`, behind the key `after`, at most `limit`, with what follows the prefix in their keys.
fn list<R: DeserializeOwned>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<(String, R)>, CatalogError> {
    let from = format!("{prefix}{}", after.unwrap_or_default());
    let mut found = Vec::new();
    for entry in table.range(from.as_str()..)? {
        let (key, value) = entry?;
        let Some(rest) = key.value().strip_prefix(prefix) else { break };
        if after == Some(rest) {
            continue;
        }
        if found.len() == limit {
            break;
        }
        found.push((rest.to_string(), decode(key.value(), value.value())?));
    }
    Ok(found)
}

/// The end of the keys that begin with `prefix`: no name has this character.
fn end_of(prefix: &str) -> String {
    format!("{prefix}\u{10ffff}")
}

impl View {
    fn table(
        &self,
        table: TableDefinition<'static, &'static str, &'static [u8]>,
    ) -> Result<Option<redb::ReadOnlyTable<&'static str, &'static [u8]>>, CatalogError> {
        match self.0.open_table(table) {
            Ok(table) => Ok(Some(table)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns a record.
    pub(crate) fn get<R: Record>(&self, key: &str) -> Result<Option<R>, CatalogError> {
        self.table(R::TABLE)?.map_or(Ok(None), |table| get(&table, key))
    }

    /// Returns the records whose keys begin with `prefix`, behind `after`, with the rest of their keys.
    pub(crate) fn list<R: Record>(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, R)>, CatalogError> {
        self.table(R::TABLE)?.map_or(Ok(Vec::new()), |table| list(&table, prefix, after, limit))
    }

    /// Returns all records whose keys begin with `prefix`.
    pub(crate) fn all<R: Record>(&self, prefix: &str) -> Result<Vec<(String, R)>, CatalogError> {
        self.list(prefix, None, usize::MAX)
    }

    /// Returns the records whose keys begin with `prefix`, in front of the key `before`, the last one first. Each is read when it is asked
    /// for: a limit is the caller's.
    pub(crate) fn newest<R: Record>(
        &self,
        prefix: &str,
        before: Option<&str>,
    ) -> Result<impl Iterator<Item = Result<R, CatalogError>> + use<R>, CatalogError> {
        let end = before.map_or_else(|| end_of(prefix), |before| format!("{prefix}{before}"));
        let range = match self.table(R::TABLE)? {
            // An end in front of the beginning is an empty range.
            Some(table) if end.as_str() > prefix => Some(table.range(prefix..end.as_str())?),
            _ => None,
        };
        Ok(range.into_iter().flat_map(Iterator::rev).map(|entry| {
            let (key, value) = entry?;
            decode(key.value(), value.value())
        }))
    }

    /// Returns the format of the records; `None` in a new catalog.
    fn format(&self) -> Result<Option<u32>, CatalogError> {
        match self.meta("format")? {
            Some(format) if format > FORMAT => Err(CatalogError::Later(format)),
            known => Ok(known),
        }
    }

    fn meta<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, CatalogError> {
        self.table(META)?.map_or(Ok(None), |table| get(&table, name))
    }
}

impl Change {
    /// Returns a record.
    pub(crate) fn get<R: Record>(&self, key: &str) -> Result<Option<R>, CatalogError> {
        get(&self.0.open_table(R::TABLE)?, key)
    }

    /// Returns all records whose keys begin with `prefix`, with the rest of their keys.
    pub(crate) fn all<R: Record>(&self, prefix: &str) -> Result<Vec<(String, R)>, CatalogError> {
        list(&self.0.open_table(R::TABLE)?, prefix, None, usize::MAX)
    }

    /// Puts a record in the place of the one that is there.
    pub(crate) fn put<R: Record>(&self, key: &str, record: &R) -> Result<(), CatalogError> {
        self.0.open_table(R::TABLE)?.insert(key, encode(record).as_slice())?;
        Ok(())
    }

    /// Removes a record. Returns whether there was one.
    pub(crate) fn remove<R: Record>(&self, key: &str) -> Result<bool, CatalogError> {
        Ok(self.0.open_table(R::TABLE)?.remove(key)?.is_some())
    }

    /// Removes all records whose keys begin with `prefix`.
    pub(crate) fn remove_all<R: Record>(&self, prefix: &str) -> Result<(), CatalogError> {
        self.0.open_table(R::TABLE)?.retain_in(prefix..end_of(prefix).as_str(), |_, _| false)?;
        Ok(())
    }

    /// Removes the records whose keys begin with `prefix`, up to the key `last`, and that one.
    pub(crate) fn remove_until<R: Record>(&self, prefix: &str, last: &str) -> Result<(), CatalogError> {
        let last = format!("{prefix}{last}");
        self.0.open_table(R::TABLE)?.retain_in(prefix..=last.as_str(), |_, _| false)?;
        Ok(())
    }

    /// Forgets a sequence of what is gone: there will be none of its numbers but new ones.
    pub(crate) fn forget_numbers(&self, sequence: &str) -> Result<(), CatalogError> {
        self.0.open_table(META)?.remove(sequence)?;
        Ok(())
    }

    /// Returns the number after the last one of a sequence, and takes it. Numbers are never used twice.
    pub(crate) fn next_number(&self, sequence: &str) -> Result<u64, CatalogError> {
        let mut table = self.0.open_table(META)?;
        let number = get::<u64>(&table, sequence)?.unwrap_or(0) + 1;
        table.insert(sequence, encode(&number).as_slice())?;
        Ok(number)
    }

    fn set_meta<T: Serialize>(&self, name: &str, value: &T) -> Result<(), CatalogError> {
        self.0.open_table(META)?.insert(name, encode(value).as_slice())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::catalog::{SecretRecord, key};

    fn secret(set_ms: i64) -> SecretRecord {
        SecretRecord { set_ms, sealed: String::new() }
    }

    #[test]
    fn lists_are_of_one_tenant_alone() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&folder.path().join("c")).unwrap();
        let names = ["a/x", "a/y", "a/z", "a-b/x", "a0/x", "ab/x"];
        catalog
            .change(|change| names.iter().enumerate().try_for_each(|(at, name)| change.put(name, &secret(at as i64))))
            .unwrap();
        let listed = |after: Option<&str>, limit| {
            let found = catalog.read(|view| view.list::<SecretRecord>(&key::of(&["a"]), after, limit)).unwrap();
            found.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(listed(None, 9), ["x", "y", "z"]);
        assert_eq!(listed(Some("x"), 1), ["y"]);
        assert_eq!(listed(Some("z"), 9), [""; 0]);
        catalog.change(|change| change.remove_all::<SecretRecord>("a/")).unwrap();
        assert_eq!(listed(None, 9), [""; 0]);
        assert_eq!(catalog.read(|view| view.all::<SecretRecord>("")).unwrap().len(), 3, "those of others stay");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// The last ones in front of a key are those of a map, whatever other names there are.
        #[test]
        fn the_newest_are_those_of_a_map(
            keys in prop::collection::btree_set("[a-c]{1,2}/[a-c0/]{0,3}", 0..30),
            prefix in "([a-c]{1,2}/)?",
            before in prop::option::of("[a-c0/]{0,3}"),
            limit in 0usize..8,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let catalog = Catalog::open(&folder.path().join("c")).unwrap();
            let keys: Vec<(i64, String)> = (0..).zip(keys).collect();
            catalog.change(|change| keys.iter().try_for_each(|(at, key)| change.put(key, &secret(*at)))).unwrap();
            let end = before.as_ref().map(|before| format!("{prefix}{before}"));
            let is_wanted = |key: &String| key.starts_with(&prefix) && end.as_ref().is_none_or(|end| key < end);
            let wanted = keys.iter().rev().filter(|(_, key)| is_wanted(key));
            let expected: Vec<i64> = wanted.map(|(at, _)| *at).take(limit).collect();
            let newest = catalog.read(|view| {
                view.newest::<SecretRecord>(&prefix, before.as_deref())?.take(limit).collect::<Result<Vec<_>, _>>()
            });
            prop_assert_eq!(newest.unwrap().into_iter().map(|record| record.set_ms).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn a_change_that_fails_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&folder.path().join("c")).unwrap();
        let failed: Result<(), CatalogError> = catalog.change(|change| {
            change.put("a/x", &secret(1))?;
            Err(CatalogError::Taken)
        });
        assert!(failed.is_err());
        assert!(catalog.read(|view| view.get::<SecretRecord>("a/x")).unwrap().is_none());
    }

    #[test]
    fn a_second_node_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c");
        let first = Catalog::open(&path).unwrap();
        assert!(matches!(Catalog::open(&path), Err(CatalogError::Taken)));
        drop(first);
        Catalog::open(&path).unwrap();
    }

    #[test]
    fn a_catalog_of_a_later_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c");
        Catalog::open(&path).unwrap().change(|change| change.set_meta("format", &(FORMAT + 1))).unwrap();
        assert!(matches!(Catalog::open(&path), Err(CatalogError::Later(later)) if later == FORMAT + 1));
    }

    #[test]
    fn a_copy_has_one_state_of_all_tables() {
        let folder = tempfile::tempdir().unwrap();
        let (path, copied) = (folder.path().join("c"), folder.path().join("copy"));
        let catalog = Catalog::open(&path).unwrap();
        catalog.change(|change| change.put("a/x", &secret(1))).unwrap();
        catalog.change(|change| change.next_number("jobs")).unwrap();
        catalog.copy_to(&copied).unwrap();
        catalog.change(|change| change.put("a/y", &secret(2))).unwrap();
        let copy = Catalog::open(&copied).unwrap();
        assert_eq!(copy.read(|view| view.all::<SecretRecord>("")).unwrap(), [("a/x".to_string(), secret(1))]);
        assert_eq!(copy.change(|change| change.next_number("jobs")).unwrap(), 2);
    }

    #[test]
    fn numbers_are_never_used_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c");
        let next = |catalog: &Catalog| catalog.change(|change| change.next_number("plugins/a/b")).unwrap();
        let catalog = Catalog::open(&path).unwrap();
        assert_eq!((next(&catalog), next(&catalog)), (1, 2));
        drop(catalog);
        assert_eq!(next(&Catalog::open(&path).unwrap()), 3);
    }
}
