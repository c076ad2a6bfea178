//! What the node's API takes and returns, as plain data.
