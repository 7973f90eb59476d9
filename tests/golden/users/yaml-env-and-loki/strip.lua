function strip_name(tag, time, record) return 0, time, record end
