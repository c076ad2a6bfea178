//! Snapshots of the pieces of one side of a window join.
//!
//! A piece does not change, and is forgotten with its pane. So the changes of a side are the pieces that were kept since the last
//! snapshot, and the panes that were forgotten. The parts of a snapshot have the columns of any slot with panes
//! ([`snapshot`](flowgate_state::snapshot)): the entry within a key is the number of the row, the values are all columns of the row.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt8Type, UInt16Type};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, UInt8Array, UInt16Array, new_null_array};
use arrow_schema::{DataType as ArrowType, Field as ArrowField, Schema};

use super::pieces::{PieceNote, SidePieces, copied};
use super::window::Pane;
use crate::dataflow::batch::Batch;
use flowgate_base::error::{Error, Result};
use flowgate_base::schema::Field;
use flowgate_state::key::{KeyGroups, Keys};
use flowgate_state::snapshot::{Change, Extent, Layout, SlotState, entry_field};

/// The prefix of the columns of a row: names of columns have no dot, so that they differ from all others.
pub(super) const ROW: &str = "row.";

/// The pieces of a side that snapshots need.
#[derive(Debug)]
pub(super) struct PieceTrack {
    /// The fields of the key.
    key: Vec<Field>,
    /// The fields of the rows.
    fields: Vec<Field>,
    tracks: bool,
    /// Pieces that were kept since the last snapshot of changes, each with its pane.
    fresh: Vec<(i64, PieceNote)>,
    /// Panes that were forgotten since then, and may be in an earlier snapshot.
    gone: Vec<i64>,
    frozen: Option<Frozen>,
}

/// A snapshot that is being taken.
#[derive(Debug, Default)]
struct Frozen {
    gone: Vec<i64>,
    /// Pieces that have not been returned.
    left: VecDeque<(i64, PieceNote)>,
    /// Those of them that were forgotten meanwhile, by number.
    kept: HashMap<i64, Batch>,
}

impl PieceTrack {
    /// Creates the track of a side without pieces.
    pub(super) fn new(key: Vec<Field>, fields: Vec<Field>, tracks: bool) -> Self {
        PieceTrack { key, fields, tracks, fresh: Vec::new(), gone: Vec::new(), frozen: None }
    }

    /// Notes that a piece of a pane is kept.
    pub(super) fn inserted(&mut self, pane: i64, note: PieceNote) {
        if self.tracks {
            self.fresh.push((pane, note));
        }
    }

    /// Whether a snapshot that is being taken has the piece and has not returned it.
    pub(super) fn is_frozen(&self, note: &PieceNote) -> bool {
        self.frozen.as_ref().is_some_and(|frozen| frozen.left.iter().any(|(_, left)| left.number == note.number))
    }

    /// Keeps a piece that is forgotten for the snapshot that is being taken.
    pub(super) fn keep(&mut self, note: &PieceNote, piece: Batch) {
        if let Some(frozen) = &mut self.frozen {
            frozen.kept.insert(note.number, piece);
        }
    }

    /// Notes that a pane with these pieces is forgotten.
    pub(super) fn removed(&mut self, pane: i64, notes: &[PieceNote]) {
        if self.tracks {
            let fresh = self.fresh.len();
            self.fresh.retain(|(of, _)| *of != pane);
            // A pane all of whose pieces are newer than the last snapshot is in none.
            if fresh - self.fresh.len() < notes.len() {
                self.gone.push(pane);
            }
        }
    }
}

/// One side of a window join, as a checkpoint sees it.
pub(super) struct SideState<'a> {
    /// Which side.
    pub(super) side: usize,
    /// Its pieces.
    pub(super) pieces: &'a mut SidePieces,
    /// The panes of the join.
    pub(super) panes: &'a mut BTreeMap<i64, Pane>,
    /// The key groups of the job.
    pub(super) key_groups: KeyGroups,
}

impl SideState<'_> {
    fn batch(&self, mut columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let fields = self.fields();
        // What the caller leaves out is null.
        for field in &fields[columns.len()..] {
            columns.push(new_null_array(field.data_type(), rows));
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .map_err(|e| Error::internal(format!("the rows of a join do not fit into a snapshot: {e}")))
    }

    /// Returns the part of one piece.
    fn part(&self, pane: i64, note: &PieceNote, piece: &Batch) -> Result<RecordBatch> {
        let rows = piece.row_count();
        let key = self.pieces.layout().key_of(piece)?;
        let hashes = Keys::of(&key, rows)?.hashes();
        let groups = hashes.into_iter().map(|hash| self.key_groups.of(hash).0 as u16);
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(UInt16Array::from_iter_values(groups)),
            Arc::new(UInt8Array::from(vec![Change::Set as u8; rows])),
            Arc::new(Int64Array::from(vec![pane; rows])),
        ];
        columns.extend(key);
        columns.push(Arc::new(Int64Array::from_iter_values(note.first_row..note.first_row + rows as i64)));
        columns.extend(piece.gather()?);
        self.batch(columns, rows)
    }

    /// Removes the rows of these key groups from a pane that is being restored.
    fn remove_restored(&mut self, pane: i64, groups: &Range<u32>) -> Result<()> {
        let Some(of) = self.panes.get_mut(&pane) else { return Ok(()) };
        for note in std::mem::take(&mut of[self.side]) {
            let piece = self.pieces.get(&note)?;
            self.pieces.drop_restored(&note);
            let hashes = Keys::of(&self.pieces.layout().key_of(&piece)?, piece.row_count())?.hashes();
            let stays = |hash: u64| !groups.contains(&self.key_groups.of(hash).0);
            let stay = (0..).zip(hashes).filter(|(_, hash)| stays(*hash)).map(|(row, _)| row).collect::<Vec<u32>>();
            if !stay.is_empty() {
                of[self.side].push(self.pieces.restore(copied(&piece, &stay.into())?)?);
            }
        }
        Ok(())
    }

    fn part_of_gone(&self, gone: Vec<i64>) -> Result<RecordBatch> {
        let rows = gone.len();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt16Array::from(vec![0; rows])),
            Arc::new(UInt8Array::from(vec![Change::RemovePane as u8; rows])),
            Arc::new(Int64Array::from(gone)),
        ];
        self.batch(columns, rows)
    }
}

impl SlotState for SideState<'_> {
    fn layout(&self) -> Layout {
        Layout { has_panes: true, keys: self.pieces.track.key.len(), entries: 1 }
    }

    fn fields(&self) -> Vec<ArrowField> {
        let track = &self.pieces.track;
        let mut fields = vec![
            ArrowField::new("key_group", ArrowType::UInt16, false),
            ArrowField::new("change", ArrowType::UInt8, false),
            ArrowField::new("pane", ArrowType::Int64, false),
        ];
        fields.extend(track.key.iter().map(|field| ArrowField::new(&field.name, field.data_type.arrow(), true)));
        fields.push(entry_field(ArrowType::Int64));
        let of_row = |field: &Field| ArrowField::new(format!("{ROW}{}", field.name), field.data_type.arrow(), true);
        fields.extend(track.fields.iter().map(of_row));
        fields
    }

    fn freeze(&mut self, extent: Extent) -> Result<()> {
        let side = self.side;
        let track = &mut self.pieces.track;
        if extent == Extent::Changed && !track.tracks {
            return Err(Error::internal("changes of a join that does not track them"));
        }
        let frozen = match extent {
            Extent::Changed => Frozen {
                gone: std::mem::take(&mut track.gone),
                left: std::mem::take(&mut track.fresh).into(),
                kept: HashMap::new(),
            },
            Extent::All => {
                let pieces = self.panes.iter().flat_map(|(pane, of)| of[side].iter().map(|note| (*pane, *note)));
                Frozen { left: pieces.collect(), ..Frozen::default() }
            }
        };
        track.frozen = Some(frozen);
        Ok(())
    }

    fn next_part(&mut self, _rows_max: usize) -> Result<Option<RecordBatch>> {
        let Some(frozen) = &mut self.pieces.track.frozen else { return Ok(None) };
        if !frozen.gone.is_empty() {
            let gone = std::mem::take(&mut frozen.gone);
            return self.part_of_gone(gone).map(Some);
        }
        let Some((pane, note)) = frozen.left.pop_front() else {
            self.pieces.track.frozen = None;
            return Ok(None);
        };
        let piece = match frozen.kept.remove(&note.number) {
            Some(piece) => piece,
            None => self.pieces.get(&note)?,
        };
        self.part(pane, &note, &piece).map(Some)
    }

    fn restore(&mut self, part: &RecordBatch, groups: &Range<u32>) -> Result<()> {
        if *part.schema_ref().fields() != Schema::new(self.fields()).fields {
            return Err(Error::internal("stored rows of a join have other columns"));
        }
        let (side, keys) = (self.side, self.pieces.track.key.len());
        let (of, change) = (part.column(0).as_primitive::<UInt16Type>(), part.column(1).as_primitive::<UInt8Type>());
        let panes = part.column(2).as_primitive::<Int64Type>().values();
        let entries = part.column(3 + keys).as_primitive::<Int64Type>();
        let rows = Batch::new(part.columns()[4 + keys..].to_vec(), part.num_rows());
        // New rows have greater numbers than all that were ever stored.
        let last = entries.iter().flatten().max();
        self.pieces.continue_after(last);
        let mut chosen: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        for row in 0..part.num_rows() {
            if change.value(row) == Change::RemovePane as u8 {
                chosen.remove(&panes[row]);
                self.remove_restored(panes[row], groups)?;
            } else if groups.contains(&u32::from(of.value(row))) {
                chosen.entry(panes[row]).or_default().push(row as u32);
            }
        }
        for (pane, chosen) in chosen {
            let count = chosen.len();
            let note = self.pieces.restore(Batch::new(rows.select(&chosen.into()).gather()?, count))?;
            self.panes.entry(pane).or_default()[side].push(note);
        }
        self.panes.retain(|_, pane| pane.iter().any(|notes| !notes.is_empty()));
        Ok(())
    }
}
