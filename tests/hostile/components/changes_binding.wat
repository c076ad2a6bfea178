;; Reads the granted file `g` when it is opened; the binding depends on its first byte. Traps in every call.
(import "flowgate:plugin/files@0.1.0" "read" (func $read (param i32 i32 i64 i32 i32)))
(data (i32.const 2048) "g")
(func $open (param i32 i32 i32 i32 i32 i32) (result i32)
  (call $read (i32.const 2048) (i32.const 1) (i64.const 0) (i32.const 1) (i32.const 2064))
  (i32.store8 (i32.const 96) (i32.and (i32.load8_u (i32.load (i32.const 2068))) (i32.const 1)))
  (i32.const 176))
(func $apply (param i32 i32 i32) (result i32) unreachable)
