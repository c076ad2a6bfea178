;; Traps on every call.
(func $apply (param i32 i32 i32) (result i32) unreachable)
