;; Copies 30 MiB of memory again and again.
(func $apply (param i32 i32 i32) (result i32)
  (drop (memory.grow (i32.const 1000)))
  (loop $forever
    (memory.copy (i32.const 0) (i32.const 32768000) (i32.const 32768000))
    (br $forever))
  unreachable)
