# Draws what each case costs in units of its floor: cede between its cheapest and dearest peer.
#
#     cede-bench --plot-data bench.tsv
#     gnuplot -e "data='bench.tsv'; image='bench.png'" bench/plot.gp

if (!exists("data")) data = "bench.tsv"
if (!exists("image")) image = "bench.png"

set terminal pngcairo size 1000, 720 font "sans,11" background rgb "white"
set output image
set datafile separator tab
set datafile missing "NaN"
set title "cost in units of the floor (1 is the floor; left is better)"
set key outside bottom center horizontal
set logscale x
set xrange [0.4:*]
set xtics (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500) nomirror
set yrange [*:*] reverse
set offsets 0, 0, 0.7, 0.7
set ytics nomirror
set grid xtics ytics lc rgb "#e4e4e4"
set arrow from 1, graph 0 to 1, graph 1 nohead lc rgb "#444444" lw 1.5 back

plot data using 4:1:4:5 every ::1 with xerrorbars notitle pt -1 lc rgb "#d9b36c" lw 2, \
     data using 5:1 every ::1 with points title "dearest peer" pt 7 ps 1.2 lc rgb "#d9a441", \
     data using 4:1 every ::1 with points title "cheapest peer" pt 7 ps 1.2 lc rgb "#8bbf6a", \
     data using 3:1:ytic(2) every ::1 with points title "cede" pt 5 ps 1.6 lc rgb "#1b6ca8"
