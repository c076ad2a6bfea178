;; Traps in `state`, which a transform must not use.
(import "flowgate:plugin/state@0.1.0" "get-all" (func $get-all (param i32 i32)))
(func $apply (param i32 i32 i32) (result i32) (call $get-all (i32.const 0) (i32.const 2048)) (i32.const 256))
