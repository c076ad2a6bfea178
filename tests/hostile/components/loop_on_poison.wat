;; Never returns when the batch has a row whose x is 13; returns y = "" for others.
(func $apply (param $rows i32) (param $columns i32) (param i32) (result i32)
  (local $i i32) (local $x i32)
  (local.set $x (i32.load offset=4 (local.get $columns)))
  (block $end
    (loop $next
      (br_if $end (i32.ge_u (local.get $i) (local.get $rows)))
      (if (i64.eq (i64.load (i32.add (local.get $x) (i32.shl (local.get $i) (i32.const 3)))) (i64.const 13))
        (then (loop $forever (br $forever))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $next)))
  (memory.fill (i32.const 4096) (i32.const 0) (i32.const 4096))
  (i32.store (i32.const 328) (i32.add (local.get $rows) (i32.const 1)))
  (global.set $top (i32.const 8192))
  (i32.const 256))
