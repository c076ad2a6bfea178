;; The last offset is behind the end of the data.
(func $apply (param $rows i32) (param i32 i32) (result i32)
  (i32.store (i32.const 328) (i32.add (local.get $rows) (i32.const 1)))
  (i32.store (i32.add (i32.const 4096) (i32.shl (local.get $rows) (i32.const 2))) (i32.const 1000))
  (i32.const 256))
