function record_date(tag, time, record) return 2, time, record end
