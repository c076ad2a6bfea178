;; Offsets 0, 5, 2 over 2 bytes, for two rows; 1, 2 for one.
(func $apply (param $rows i32) (param i32 i32) (result i32)
  (i32.store (i32.const 328) (i32.add (local.get $rows) (i32.const 1)))
  (i32.store (i32.const 332) (i32.const 5000))
  (i32.store (i32.const 336) (i32.const 2))
  (i32.store (i32.const 4096) (i32.sub (i32.const 2) (local.get $rows)))
  (i32.store (i32.const 4100) (select (i32.const 2) (i32.const 5) (i32.eq (local.get $rows) (i32.const 1))))
  (i32.store (i32.const 4104) (i32.const 2))
  (i32.const 256))
