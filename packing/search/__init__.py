"""Search for the best counts of instances per container, on arrays alone.

`problem` says what is searched, `kernel` does the work of a step, `starts` and `configurations`
give states to start from, `portfolio` puts them together. Requests and plans are known to
`packing.planners.packing_problem`, which translates them.
"""
