;; Logs 100,000 lines with a terminal escape in each call.
(import "flowgate:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))
(data (i32.const 2048) "\1b[31mflood")
(func $apply (param $rows i32) (param i32 i32) (result i32)
  (local $i i32)
  (loop $next
    (call $log (i32.const 3) (i32.const 2048) (i32.const 10))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $next (i32.lt_u (local.get $i) (i32.const 100000))))
  (memory.fill (i32.const 4096) (i32.const 0) (i32.const 4096))
  (i32.store (i32.const 328) (i32.add (local.get $rows) (i32.const 1)))
  (global.set $top (i32.const 8192))
  (i32.const 256))
