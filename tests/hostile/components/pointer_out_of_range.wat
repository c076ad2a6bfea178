;; The offsets are behind the end of its memory.
(func $apply (param $rows i32) (param i32 i32) (result i32)
  (i32.store (i32.const 324) (i32.const 0xFFFFFF00))
  (i32.store (i32.const 328) (i32.add (local.get $rows) (i32.const 1)))
  (i32.const 256))
