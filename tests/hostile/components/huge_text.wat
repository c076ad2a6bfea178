;; Returns 3 GiB of text, which it does not have.
(func $apply (param $rows i32) (param i32 i32) (result i32)
  (i32.store (i32.const 328) (i32.add (local.get $rows) (i32.const 1)))
  (i32.store (i32.const 332) (i32.const 0))
  (i32.store (i32.const 336) (i32.const 0xC0000000))
  (i32.const 256))
