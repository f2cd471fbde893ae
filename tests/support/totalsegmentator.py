"""Numbers that TotalSegmentator gives the organs of AMOS."""

# the TotalSegmentator classes of AMOS's organs 1 to 15
TOTALSEGMENTATOR = (1, 2, 3, 4, 15, 5, 6, 52, 63, 7, 8, 9, 19, 21, 22)
