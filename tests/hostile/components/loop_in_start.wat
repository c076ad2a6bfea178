;; Never starts.
(func $begin (loop $forever (br $forever)))
(start $begin)
