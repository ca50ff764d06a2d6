"""What a report shows: figures as data, drawn by plotly.js and by matplotlib."""
