;; Has two functions of one name.
(func $describe (result i32)
  (memory.copy (i32.const 2048) (i32.const 112) (i32.const 40))
  (memory.copy (i32.const 2088) (i32.const 112) (i32.const 40))
  (i32.store (i32.const 160) (i32.const 2048))
  (i32.store (i32.const 164) (i32.const 2))
  (i32.const 160))
