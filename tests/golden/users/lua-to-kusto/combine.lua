function combine(tag, time, record) return 1, time, record end
