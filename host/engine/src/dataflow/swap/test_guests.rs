//! Guests of a few lines that come in versions, for tests. Each reads `x: int64` and makes `y: int64`; the columns of its rows pass through.

use flowgate_hostile::MAKES_Y as COMMON;

/// A transform whose `y` is its version.
pub(crate) fn transform(version: i64) -> Vec<u8> {
    let lines = format!(
        "{COMMON}
        (func $apply (param $rows i32) (param i32 i32) (result i32) (local $i i32)
            (block $done (loop $next
                (br_if $done (i32.eq (local.get $i) (local.get $rows)))
                (call $y (local.get $i) (i64.const {version}))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br $next)))
            (call $answer (local.get $rows)))"
    );
    flowgate_hostile::plugin(&lines, false)
}

/// A transform whose `y` is its `x`; but where `every` divides that, it is what `lines` leaves, which has `$x`.
pub(crate) fn picky(every: i64, lines: &str) -> Vec<u8> {
    let is_odd = format!("(i64.eqz (i64.rem_s (local.get $x) (i64.const {every})))");
    flowgate_hostile::made_of(&format!("(if (result i64) {is_odd} (then {lines}) (else (local.get $x)))"))
}

/// A component with other bytes that does the same: one more custom section, without content.
pub(crate) fn again(component: &[u8]) -> Vec<u8> {
    [component, &[0, 2, 1, b'a']].concat()
}

/// A join function whose `y` is ten times the `x` of the left row, and its version.
pub(crate) fn join(version: i64) -> Vec<u8> {
    let common = COMMON.replace(r#"(data (i32.const 96) "\01")"#, "");
    let lines = format!(
        "{common}
        (func $join (param $rows i32) (param $left i32) (param i32) (param i32 i32 i32) (result i32) (local $i i32)
            (block $done (loop $next
                (br_if $done (i32.eq (local.get $i) (local.get $rows)))
                (call $y (local.get $i) (i64.add (i64.const {version}) (i64.mul (i64.const 10) (i64.load
                    (i32.add (i32.load offset=4 (local.get $left)) (i32.mul (local.get $i) (i32.const 8)))))))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br $next)))
            (call $answer (local.get $rows)))"
    );
    flowgate_hostile::join_plugin(&lines)
}

/// An aggregate that adds `weight` for each row to what it has.
pub(crate) fn aggregate(weight: i64) -> Vec<u8> {
    let lines = format!(
        r#"(memory $memory 700)
        (data (i32.const 56) "\01")
        (func $value (param $offsets i32) (param $data i32) (param $at i32) (result i64)
            (local $from i32)
            (local.set $from (i32.load (i32.add (local.get $offsets) (i32.mul (local.get $at) (i32.const 4)))))
            (if (result i64)
                (i32.eq (local.get $from)
                    (i32.load offset=4 (i32.add (local.get $offsets) (i32.mul (local.get $at) (i32.const 4)))))
                (then (i64.const 0))
                (else (i64.load (i32.add (local.get $data) (local.get $from))))))
        (func $place (param $at i32) (result i32) (i32.add (i32.const 1048576) (i32.mul (local.get $at) (i32.const 8))))
        (func $answered (param $count i32) (result i32)
            (local $i i32)
            (loop $next
                (i32.store (i32.add (i32.const 4194304) (i32.mul (local.get $i) (i32.const 4)))
                    (i32.mul (local.get $i) (i32.const 8)))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $next (i32.le_u (local.get $i) (local.get $count))))
            (i32.store (i32.const 384) (i32.const 0))
            (i32.store (i32.const 388) (i32.const 4194304))
            (i32.store (i32.const 392) (i32.add (local.get $count) (i32.const 1)))
            (i32.store (i32.const 396) (i32.const 1048576))
            (i32.store (i32.const 400) (i32.mul (local.get $count) (i32.const 8)))
            (i32.store (i32.const 404) (i32.const 0)) (i32.store (i32.const 408) (i32.const 0))
            (global.set $top (i32.const 8192))
            (i32.const 384))
        (func $update (param $offsets i32) (param $count i32) (param $data i32) (param i32) (param $groups i32) (param i32)
                (param $rows i32) (param i32 i32) (result i32)
            (local $i i32) (local $at i32)
            (local.set $count (i32.sub (local.get $count) (i32.const 1)))
            (block $done (loop $next
                (br_if $done (i32.eq (local.get $i) (local.get $count)))
                (i64.store (call $place (local.get $i)) (call $value (local.get $offsets) (local.get $data) (local.get $i)))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br $next)))
            (local.set $i (i32.const 0))
            (block $end (loop $more
                (br_if $end (i32.eq (local.get $i) (local.get $rows)))
                (local.set $at (call $place
                    (i32.load (i32.add (local.get $groups) (i32.mul (local.get $i) (i32.const 4))))))
                (i64.store (local.get $at) (i64.add (i64.load (local.get $at)) (i64.const {weight})))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br $more)))
            (call $answered (local.get $count)))
        (func $merge (param $offsets i32) (param $count i32) (param $data i32) (param i32) (param $more i32) (param i32)
                (param $theirs i32) (param i32) (result i32)
            (local $i i32)
            (local.set $count (i32.sub (local.get $count) (i32.const 1)))
            (block $done (loop $next
                (br_if $done (i32.eq (local.get $i) (local.get $count)))
                (i64.store (call $place (local.get $i))
                    (i64.add (call $value (local.get $offsets) (local.get $data) (local.get $i))
                        (call $value (local.get $more) (local.get $theirs) (local.get $i))))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br $next)))
            (call $answered (local.get $count)))
        (func $finish (param $offsets i32) (param $count i32) (param $data i32) (param i32) (result i32)
            (local $i i32)
            (local.set $count (i32.sub (local.get $count) (i32.const 1)))
            (block $done (loop $next
                (br_if $done (i32.eq (local.get $i) (local.get $count)))
                (i64.store (call $place (local.get $i)) (call $value (local.get $offsets) (local.get $data) (local.get $i)))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br $next)))
            (i32.store (i32.const 320) (i32.const 1))
            (i32.store (i32.const 324) (i32.const 1048576))
            (i32.store (i32.const 328) (local.get $count))
            (i32.store (i32.const 384) (i32.const 0))
            (i32.store (i32.const 388) (i32.const 320))
            (i32.store (i32.const 392) (i32.const 1))
            (global.set $top (i32.const 8192))
            (i32.const 384))"#
    );
    flowgate_hostile::plugin(&lines, true)
}

/// A process function that counts the rows of each key in its slot `v`. Its `y` is ten times the count, and its version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counter {
    /// Its version, below 10.
    pub(crate) version: i64,
    /// The version of the slot, which keeps the count and a thousand for each version.
    pub(crate) slot: u8,
    /// The slots that it has, of `v`, `m` and `l`.
    pub(crate) slots: u8,
    /// The greatest count that it migrates; it traps on others.
    pub(crate) migrates_up_to: i64,
    /// What it adds to the count.
    pub(crate) adds: i64,
    /// What it adds to `y` where ten divides `x`.
    pub(crate) marks: i64,
}

impl Counter {
    /// Of a version, with a slot of version 1.
    pub(crate) fn of(version: i64) -> Self {
        Counter { version, slot: 1, slots: 3, migrates_up_to: i64::MAX, adds: 1, marks: 0 }
    }

    /// Returns the component.
    pub(crate) fn component(self) -> Vec<u8> {
        let Counter { version, slot, slots, migrates_up_to, adds, marks } = self;
        let bias = 1_000_000 * i64::from(slot);
        let lines = format!(
            r#"(import "flowgate:plugin/state@0.1.0" "get" (func $get (param i32 i32 i32)))
            (import "flowgate:plugin/state@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32)))
            {COMMON}
            (data (i32.const 428) "\{slot:02x}") (data (i32.const 200) "\{slots:02x}")
            (func $batch (param i32 i32 i32 i32) (param $keys i32) (param i32) (param $rows i32) (param $columns i32) (param i32)
                    (result i32)
                (local $i i32) (local $key i32) (local $top i32) (local $count i64)
                (local.set $top (global.get $top))
                (block $done (loop $next
                    (br_if $done (i32.eq (local.get $i) (local.get $rows)))
                    (local.set $key (i32.load (i32.add (local.get $keys) (i32.mul (local.get $i) (i32.const 4)))))
                    (global.set $top (local.get $top))
                    (call $get (i32.const 0) (local.get $key) (i32.const 512))
                    (local.set $count
                        (if (result i64) (i32.load8_u (i32.const 512))
                            (then (i64.load (i32.load (i32.const 516))))
                            (else (i64.const {bias}))))
                    (local.set $count (i64.add (local.get $count) (i64.const {adds})))
                    (i64.store (i32.const 528) (local.get $count))
                    (call $set (i32.const 0) (local.get $key) (i32.const 1) (i32.const 528) (i32.const 8))
                    (call $y (local.get $i) (i64.add (i64.const {version})
                        (i64.add
                            (if (result i64) (i64.eqz (i64.rem_s (i64.load (i32.add (i32.load offset=4 (local.get $columns))
                                    (i32.mul (local.get $i) (i32.const 8)))) (i64.const 10)))
                                (then (i64.const {marks})) (else (i64.const 0)))
                            (i64.mul (i64.const 10) (i64.sub (local.get $count) (i64.const {bias}))))))
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br $next)))
                (call $answer (local.get $rows)))
            (func $migrate (param i32 i32) (param $from i32) (param $offsets i32) (param $count i32) (param $data i32)
                    (param $bytes i32) (result i32)
                (local $i i32) (local $value i64)
                (block $done (loop $next
                    (br_if $done (i32.eq (local.get $i) (local.get $bytes)))
                    (local.set $value (i64.sub (i64.load (i32.add (local.get $data) (local.get $i)))
                        (i64.mul (i64.const 1000000) (i64.extend_i32_u (local.get $from)))))
                    (if (i64.gt_s (local.get $value) (i64.const {migrates_up_to})) (then unreachable))
                    (i64.store (i32.add (local.get $data) (local.get $i)) (i64.add (local.get $value) (i64.const {bias})))
                    (local.set $i (i32.add (local.get $i) (i32.const 8)))
                    (br $next)))
                (i32.store (i32.const 388) (local.get $offsets)) (i32.store (i32.const 392) (local.get $count))
                (i32.store (i32.const 396) (local.get $data)) (i32.store (i32.const 400) (local.get $bytes))
                (global.set $top (i32.const 8192))
                (i32.const 384))"#
        );
        flowgate_hostile::migrating_plugin(&lines)
    }
}
