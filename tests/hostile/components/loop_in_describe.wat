;; Never returns its functions.
(func $describe (result i32) (loop $forever (br $forever)) unreachable)
