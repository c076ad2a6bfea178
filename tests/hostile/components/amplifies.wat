;; Returns its first row a million times and once more.
(memory $memory 128)
(func $apply (param $rows i32) (param i32 i32) (result i32)
  (i32.store (i32.const 288) (i32.const 1))
  (i32.store (i32.const 292) (i32.const 65536))
  (i32.store (i32.const 296) (i32.const 1000001))
  (global.set $top (i32.const 8192))
  (i32.const 256))
