;; Returns one value too few.
(func $apply (param $rows i32) (param i32 i32) (result i32)
  (i32.store (i32.const 328) (local.get $rows))
  (i32.const 256))
