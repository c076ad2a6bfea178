;; Fills 60 MiB of memory again and again.
(func $apply (param i32 i32 i32) (result i32)
  (drop (memory.grow (i32.const 1000)))
  (loop $forever
    (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536000))
    (br $forever))
  unreachable)
