function add_severity(tag, time, record) return 0, time, record end
