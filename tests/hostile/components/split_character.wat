;; The data is "é", which is UTF-8, but the first row's value ends inside it. One row: the value is half of it.
(data (i32.const 6000) "\c3\a9")
(func $apply (param $rows i32) (param i32 i32) (result i32)
  (i32.store (i32.const 328) (i32.add (local.get $rows) (i32.const 1)))
  (i32.store (i32.const 332) (i32.const 6000))
  (i32.store (i32.const 336) (local.get $rows))
  (i32.store (i32.const 4100) (i32.const 1))
  (i32.store (i32.const 4104) (i32.const 2))
  (i32.const 256))
