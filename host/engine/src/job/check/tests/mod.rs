mod golden;
mod granted;
mod graph;
mod mutated;
