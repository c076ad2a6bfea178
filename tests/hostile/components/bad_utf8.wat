;; Every value is the byte FF.
(func $apply (param $rows i32) (param i32 i32) (result i32)
  (local $i i32)
  (i32.store (i32.const 328) (i32.add (local.get $rows) (i32.const 1)))
  (i32.store (i32.const 332) (i32.const 6000))
  (i32.store (i32.const 336) (local.get $rows))
  (memory.fill (i32.const 6000) (i32.const 255) (local.get $rows))
  (loop $next
    (i32.store (i32.add (i32.const 4096) (i32.shl (local.get $i) (i32.const 2))) (local.get $i))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $next (i32.le_u (local.get $i) (local.get $rows))))
  (i32.const 256))
