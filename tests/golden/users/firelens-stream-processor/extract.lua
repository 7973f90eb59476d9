function keep(tag, time, record) return 0, time, record end
